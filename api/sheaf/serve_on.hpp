#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/detail/connection_handler.hpp>
#include <sheaf/detail/pool_seat.hpp>
#include <sheaf/loop_pool.hpp>
#include <sheaf/port_number.hpp>
#include <sheaf/server_options.hpp>
#include <sheaf/shutdown_report.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace sheaf {

/// How serve_on() spreads the connections over the loops.
class serve_on_options {
 public:
  /// How each loop's server listens.
  serve_on_options& server(server_options o) & {
    server_ = std::move(o);
    return *this;
  }
  serve_on_options&& server(server_options o) && {
    return std::move(server(std::move(o)));
  }

  /// On: one loop accepts, and hands the connections to all in turn. Off: each loop has a
  /// socket of its own on the port, and the kernel spreads them. Without this call off where
  /// the kernel does (SO_REUSEPORT on Linux and FreeBSD), on elsewhere.
  serve_on_options& hand_over(bool on = true) & {
    hand_over_ = on;
    return *this;
  }
  serve_on_options&& hand_over(bool on = true) && { return std::move(hand_over(on)); }

  const server_options& server() const noexcept { return server_; }
  bool hands_over() const noexcept { return hand_over_; }

 private:
  server_options server_;
  bool hand_over_ = detail::kernel_hands_over_nothing;
};

/// A server on each loop of a pool: what serve_on() gives.
///
/// Ownership: moved, never copied. Destroying it is as destroying a server: it closes, and asks
/// the handlers to stop, but waits for nobody. It may outlive the pool, whose end ends the
/// servers: it has no loops to ask then. Thread: the loop's that called serve_on().
class [[nodiscard("the servers close when this is destroyed")]] pool_server {
 public:
  pool_server(pool_server&&) noexcept = default;
  pool_server& operator=(pool_server&& other) noexcept {
    std::swap(seats_, other.seats_);
    std::swap(port_, other.port_);
    return *this;
  }
  ~pool_server();

  std::uint16_t port() const noexcept { return port_; }

  /// No more connections, on any loop; done when all have heard it. Those there are live on.
  /// Cancellation: partial; some may not have heard it.
  coro<> close();
  /// Done when all are closed and the last connection of each has ended. Cancellation: total.
  coro<> wait_closed();
  /// server::shutdown() of each at the same time; their reports, in the order of the loops.
  /// Cancellation: partial, as there.
  template <class Rep, class Period>
  coro<std::vector<shutdown_report>> shutdown(std::chrono::duration<Rep, Period> within,
                                              shutdown_options options = {}) {
    return shutdown_all(detail::to_delay(within), options);
  }
  /// How many connections each loop has, now or a moment ago.
  coro<std::vector<std::size_t>> connections();

  /// For the library.
  pool_server(std::vector<detail::pool_seat> seats, std::uint16_t port)
      : seats_(std::move(seats)), port_(port) {}

 private:
  coro<std::vector<shutdown_report>> shutdown_all(std::int64_t within_ns,
                                                  shutdown_options options);
  std::vector<detail::pool_seat> seats_;
  std::uint16_t port_;
};

namespace detail {

/// Makes a handler for one loop; called on the threads of all.
using handler_maker = std::function<connection_handler()>;

coro<pool_server> serve_on_all(const loop_pool& pool, handler_maker make,
                               std::string host, port_number port,
                               serve_on_options options);

}  // namespace detail

/// Listens with each loop of `pool`, and calls `handler(stream)`, a copy of it for each loop, on
/// the thread of the loop that got the connection, which stays there.
///
///     loop_pool pool;
///     pool_server s = co_await serve_on(pool, echo, "0.0.0.0", 4711);
///     co_await s.wait_closed();
///
/// All else is as with start_server(): addresses, port 0, errors, reports, which go to the
/// exception handler of the connection's loop. The kernel spreads by a hash of the addresses:
/// a few clients may all come to one loop. serve_on_options().hand_over() deals them out in
/// turn, for one wake-up of another loop each.
///
/// Ownership: what the handler refers to is used by all threads, and must outlive the pool's
/// servers. Failure: what start_server() throws, of any loop; those of the others are closed
/// then. What is asked of the server while the pool ends may throw invalid_state or
/// `cancelled`. Cancellation: total. Thread: of a running loop, which is not one of the pool.
template <class F>
  requires std::copy_constructible<std::decay_t<F>> &&
           std::constructible_from<detail::connection_handler, const std::decay_t<F>&>
coro<pool_server> serve_on(const loop_pool& pool, F handler, std::string host,
                           port_number port, serve_on_options options = {}) {
  const auto make = [handler = std::move(handler)] {
    return detail::connection_handler(handler);
  };
  return detail::serve_on_all(pool, make, std::move(host), port, std::move(options));
}

}  // namespace sheaf
