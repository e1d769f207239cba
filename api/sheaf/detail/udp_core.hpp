#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/arrival_wait.hpp>
#include <sheaf/detail/ring.hpp>
#include <sheaf/detail/suspension.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/address.hpp>
#include <sheaf/runtime/udp.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace sheaf {

/// What receive() gives.
struct datagram {
  std::string bytes;
  runtime::address sender;
  /// It was larger than 64 KiB, and is cut off there.
  bool truncated = false;
};

namespace detail {

class send_wait;

/// A socket for datagrams: libuv's handle, what has come and was not received, and who waits.
class udp_core final : public arrivals {
 public:
  template <class... Family>
  explicit udp_core(runtime::loop& l, Family... f) : handle_(std::in_place, l, f...) {
    handle_->unref();
  }

  /// Throws invalid_state once it is closed.
  runtime::udp& handle(const char* what);
  bool is_open() const noexcept { return handle_.has_value(); }
  void close() noexcept;
  void connect(const runtime::address& to);
  void disconnect();

  /// Whether there is something to take(), were it the end.
  bool has_come() const noexcept { return ready(); }
  /// Takes what has come; throws the error that has, or that it is closed.
  datagram take();

  /// The address to send to, null for the connected one. Throws std::invalid_argument for
  /// another than that.
  const runtime::address* target(const runtime::address* to, const char* what) const;
  bool try_send(std::string_view bytes, const runtime::address* to, const char* what);

 private:
  friend class send_wait;
  void queue(send_wait& w);
  void sent(std::uint64_t ticket, std::error_code e) noexcept;
  struct arrival {
    datagram what;
    std::error_code error;
  };
  bool ready() const noexcept override { return come_.size() != 0 || !handle_; }
  void attend(bool on) override;
  void on_datagram(const runtime::udp::datagram& d, std::error_code e);
  void weigh() noexcept;

  // Read ahead of who receives, so that a burst is not a call of epoll for each; no more.
  static constexpr std::size_t ahead = 32;

  std::optional<runtime::udp> handle_;
  std::optional<runtime::address> peer_;
  ring<arrival> come_;
  bool receiving_ = false;
  bool attended_ = false;
  std::size_t sending_ = 0;
  std::uint64_t tickets_ = 0;
  send_wait* senders_ = nullptr;  // the first, of a list
};

/// Waits until libuv has sent a datagram that the system did not take at once.
class send_wait final : public suspension {
 public:
  using awaits_in_task = void;

  send_wait(udp_core& c, std::string bytes, const runtime::address* to) noexcept
      : core_(c), bytes_(std::move(bytes)), to_(to) {}
  ~send_wait() { leave(); }

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return begin(*h.promise().task());
  }
  void await_resume();

  bool cancel(const cancel_ref&) noexcept override;
  void interrupt() noexcept override;
  const char* kind() const noexcept override { return "udp_socket::send"; }

 private:
  friend class udp_core;
  bool begin(task_state& t) noexcept;
  void leave() noexcept;
  void ended(std::error_code e) noexcept;

  udp_core& core_;
  std::string bytes_;
  const runtime::address* to_;
  task_state* task_ = nullptr;
  send_wait* prev_ = nullptr;
  send_wait* next_ = nullptr;
  std::uint64_t ticket_ = 0;  // 0: not queued
  bool sent_ = false;         // or failed
  std::error_code error_;
  std::exception_ptr refused_;
};

using udp_ref = std::shared_ptr<udp_core>;

coro<datagram> receive_datagram(udp_ref s);
coro<> send_datagram(udp_ref s, std::string bytes, std::optional<runtime::address> to);

}  // namespace detail
}  // namespace sheaf
