#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace sheaf::runtime::detail {

/// Where streams and sockets read to that were given no buffer. One for each thread: libuv
/// reads, and calls back, before it asks for the next, so that a connection at rest needs
/// none. The size is what libuv suggests; without memory for
/// it the program ends.
inline std::span<char> read_buffer() noexcept {
  constexpr std::size_t size = 65'536;
  // A plain pointer: the owner is asked for at each use whether it has been made.
  thread_local constinit char* bytes = nullptr;
  if (!bytes) [[unlikely]] {
    thread_local const std::unique_ptr<char[]> owner(new char[size]);
    bytes = owner.get();
  }
  return {bytes, size};
}

/// The same for sockets that read up to 20 datagrams at once, of 64 KiB each: libuv cuts the
/// room into pieces of the largest datagram. Only a thread that does so has it.
inline std::span<char> datagrams_buffer() noexcept {
  constexpr std::size_t size = 20 * 65'536;
  thread_local const std::unique_ptr<char[]> bytes(new char[size]);
  return {bytes.get(), size};
}

}  // namespace sheaf::runtime::detail
