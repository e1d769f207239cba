#include <sheaf/gather.hpp>
#include <sheaf/serve_on.hpp>
#include <sheaf/server.hpp>
#include <sheaf/spawn_on.hpp>

#include <unistd.h>

#include <optional>

namespace sheaf {

namespace detail {

struct seated_server {
  std::optional<server> is;
  any_task keeper;  // holds this while it runs
};

namespace {

using seat_ref = std::shared_ptr<seated_server>;

/// What one thread tells another's loop without waiting, whether that still is there or not.
template <class F>
class note final : public runtime::ready_node {
 public:
  explicit note(F f) : f_(std::move(f)) {}
  F& what() noexcept { return f_; }
  void run() noexcept override {
    f_();
    delete this;
  }
  void drop() noexcept override { delete this; }

 private:
  F f_;
};

/// False if that loop is closed.
template <class F>
bool post(const std::shared_ptr<runtime::inbox>& to, std::unique_ptr<note<F>>& n) {
  return to->put(*n) && n.release();
}

/// A connection on its way: closed unless somebody takes it.
class traveller {
 public:
  traveller(const server_core::accepted& c, std::weak_ptr<seated_server> to)
      : connection_(c), to_(std::move(to)) {}
  traveller(traveller&& other) noexcept
      : connection_(std::exchange(other.connection_, nobody)),
        to_(std::move(other.to_)) {}
  traveller& operator=(traveller&&) = delete;
  ~traveller() {
    if (connection_.descriptor >= 0) ::close(connection_.descriptor);
  }
  void operator()() {
    const seat_ref seat = to_.lock();
    if (!seat || !seat->is) return;
    seat->is->core().take(std::exchange(connection_, nobody));
  }
  void stay() noexcept { connection_ = nobody; }

 private:
  static constexpr server_core::accepted nobody{-1, {}};
  server_core::accepted connection_;
  std::weak_ptr<seated_server> to_;
};

// ---- on the thread of a loop of the pool -----------------------------------------------------

/// Lives as long as its server has something to do. The end of the pool cancels it.
coro<> keep(seat_ref seat) {
  struct leaving {
    seated_server& s;
    ~leaving() { s.is.reset(); }
  };
  const leaving at_the_end{*seat};
  co_await seat->is->wait_closed();
}

pool_seat sit_down(server s) {
  auto seat = std::make_shared<seated_server>();
  seat->is.emplace(std::move(s));
  seat->keeper = create_task(keep(seat), task_options().name("serve_on"));
  auto& here = loop::current();
  return {&here, here.core().mail(), seat};
}

struct opened {
  pool_seat seat;
  std::uint16_t port;
};

coro<opened> open_one(handler_maker make, std::string host, port_number port,
                      server_options options) {
  server s = co_await start_server(make(), std::move(host), port, std::move(options));
  const auto at = s.port();
  co_return opened{sit_down(std::move(s)), at};
}

/// Serves what others hand over.
coro<pool_seat> open_quiet(handler_maker make, server_options options) {
  co_return sit_down(server(make_server(make(), options, {})));
}

/// False if it has to stay here: that loop is closed.
bool hand_over(const server_core::accepted& made, const pool_seat& to) {
  auto n = std::make_unique<note<traveller>>(traveller(made, to.server));
  if (post(to.mail, n)) return true;
  n->what().stay();
  return false;
}

/// Accepts for all: each in turn, the first itself.
coro<opened> open_acceptor(handler_maker make, std::string host, port_number port,
                           server_options options, std::vector<pool_seat> others) {
  options.start_serving(false);
  server s = co_await start_server(make(), std::move(host), port, std::move(options));
  std::size_t turn = 0;
  s.core().route([others = std::move(others), turn](const auto& made) mutable {
    const std::size_t to = turn++ % (others.size() + 1);
    return to != 0 && hand_over(made, others[to - 1]);
  });
  s.start_serving();
  const auto at = s.port();
  co_return opened{sit_down(std::move(s)), at};
}

coro<> close_one(std::weak_ptr<seated_server> which) {
  if (const seat_ref seat = which.lock(); seat && seat->is) seat->is->close();
  co_return;
}

coro<> wait_for_one(std::weak_ptr<seated_server> which) {
  const seat_ref seat = which.lock();
  if (seat && seat->is) co_await seat->is->wait_closed();
}

coro<std::size_t> count_one(std::weak_ptr<seated_server> which) {
  const seat_ref seat = which.lock();
  co_return seat && seat->is ? seat->is->connections() : 0;
}

coro<shutdown_report> shut_down_one(std::weak_ptr<seated_server> which,
                                    std::int64_t within_ns, shutdown_options options) {
  const seat_ref seat = which.lock();
  if (!seat || !seat->is) co_return shutdown_report();
  co_return co_await seat->is->shutdown(std::chrono::nanoseconds(within_ns), options);
}

void leave(const pool_seat& seat) {
  auto cancel = [which = seat.server] {
    if (const seat_ref s = which.lock())
      s->keeper.cancel("its pool_server was destroyed");
  };
  auto n = std::make_unique<note<decltype(cancel)>>(std::move(cancel));
  post(seat.mail, n);
}

// ---- on the thread that asks -----------------------------------------------------------------

/// The seats so far, left again unless all is well.
class seats_so_far {
 public:
  seats_so_far() = default;
  seats_so_far(const seats_so_far&) = delete;
  seats_so_far& operator=(const seats_so_far&) = delete;
  ~seats_so_far() {
    for (const pool_seat& s : all) leave(s);
  }
  std::vector<pool_seat> all;
};

// One after the other: the first may pick the port, and the others have to have the same.
coro<std::uint16_t> open_each(const loop_pool& pool, handler_maker make, std::string host,
                              port_number port, server_options options,
                              std::vector<pool_seat>& seats) {
  options.reuse_port();
  for (std::size_t i = 0; i < pool.size(); ++i) {
    opened one = co_await spawn_on(pool[i], open_one, make, host, port, options);
    seats.push_back(std::move(one.seat));
    port = one.port;
  }
  co_return port.value();
}

coro<std::uint16_t> open_and_deal(const loop_pool& pool, handler_maker make,
                                  std::string host, port_number port,
                                  server_options options, std::vector<pool_seat>& seats) {
  for (std::size_t i = 1; i < pool.size(); ++i) {
    seats.push_back(co_await spawn_on(pool[i], open_quiet, make, options));
  }
  opened first =
      co_await spawn_on(pool[0], open_acceptor, make, host, port, options, seats);
  seats.insert(seats.begin(), std::move(first.seat));
  co_return first.port;
}

template <class F, class... Args>
using said_there =
    typename spawned_coro<F, std::weak_ptr<seated_server>, Args...>::value_type;
template <class T>
using said_by_each = std::conditional_t<std::is_void_v<T>, void, std::vector<T>>;

/// What those say whose loops are not closed. It has the seats: the pool_server may go
/// before this begins.
template <class F, class... Args>
coro<said_by_each<said_there<F, Args...>>> of_each(std::vector<pool_seat> seats, F f,
                                                   Args... args) {
  std::vector<future<said_there<F, Args...>>> all;
  for (const pool_seat& s : seats) {
    if (s.mail->closed()) continue;  // the pool may be gone, and the loop with it
    try {
      all.push_back(spawn_on(*s.at, f, s.server, args...));
    } catch (const invalid_state&) {
    }
  }
  co_return co_await gather(std::move(all));
}

}  // namespace

coro<pool_server> serve_on_all(const loop_pool& pool, handler_maker make,
                               std::string host, port_number port,
                               serve_on_options options) {
  seats_so_far seats;
  const auto open = options.hands_over() ? open_and_deal : open_each;
  const std::uint16_t at = co_await open(pool, std::move(make), std::move(host), port,
                                         options.server(), seats.all);
  co_return pool_server(std::exchange(seats.all, {}), at);
}

}  // namespace detail

pool_server::~pool_server() {
  for (const detail::pool_seat& s : seats_) detail::leave(s);
}

coro<> pool_server::close() { return detail::of_each(seats_, detail::close_one); }

coro<> pool_server::wait_closed() {
  return detail::of_each(seats_, detail::wait_for_one);
}

coro<std::vector<std::size_t>> pool_server::connections() {
  return detail::of_each(seats_, detail::count_one);
}

coro<std::vector<shutdown_report>> pool_server::shutdown_all(std::int64_t within_ns,
                                                             shutdown_options options) {
  return detail::of_each(seats_, detail::shut_down_one, within_ns, options);
}

}  // namespace sheaf
