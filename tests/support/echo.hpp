#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/stream.hpp>

#include <string>

namespace test {

/// A handler that sends back what comes, as it comes, until the peer ends.
inline sheaf::coro<> echo(sheaf::stream s) {
  for (;;) {
    const std::string bytes = co_await s.read(4096);
    if (bytes.empty()) co_return;
    co_await s.write(bytes);
  }
}

}  // namespace test
