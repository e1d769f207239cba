#include <sheaf/serve_on.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/descriptors.hpp"
#include "support/tsan_blind_spots.hpp"

#include <sheaf/as_outcome.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/run.hpp>
#include <sheaf/server.hpp>
#include <sheaf/sleep.hpp>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace sheaf;
using namespace std::chrono_literals;

namespace {

/// Which thread had how many connections.
class census {
 public:
  void count() {
    const std::lock_guard hold(lock_);
    ++on_[std::this_thread::get_id()];
  }
  std::vector<int> all() {
    const std::lock_guard hold(lock_);
    std::vector<int> each;
    for (const auto& [thread, n] : on_) each.push_back(n);
    return each;
  }

 private:
  std::mutex lock_;
  std::map<std::thread::id, int> on_;
};

struct echo {
  census* seen;
  coro<> operator()(stream s) const {
    seen->count();
    for (;;) {
      const std::string line = co_await s.readline();
      if (line.empty()) co_return;
      co_await s.write(line);
    }
  }
};

coro<std::string> ask(std::uint16_t port, std::string text) {
  stream s = co_await open_connection("127.0.0.1", port);
  co_await s.write(text);
  co_return co_await s.readline();
}

coro<> ask_many(std::uint16_t port, int n) {
  std::vector<coro<std::string>> all;
  for (int i = 0; i < n; ++i) all.push_back(ask(port, std::to_string(i) + "\n"));
  const auto answers = co_await gather(std::move(all));
  for (int i = 0; i < n; ++i) {
    CHECK(answers[static_cast<std::size_t>(i)] == std::to_string(i) + "\n");
  }
}

coro<bool> refused(std::uint16_t port) {
  const auto o = co_await as_outcome(open_connection("127.0.0.1", port));
  co_return !o.has_value();
}

serve_on_options dealing() { return serve_on_options().hand_over(); }
serve_on_options by_kernel() { return serve_on_options().hand_over(false); }

}  // namespace

#ifdef __linux__
TEST_CASE("serve_on: each loop listens on one port, and the kernel spreads who comes",
          "[api][serve_on]") {
  census seen;
  const auto scenario = [&seen]() -> coro<> {
    loop_pool pool(3);
    const pool_server s =
        co_await serve_on(pool, echo{&seen}, "127.0.0.1", 0, by_kernel());
    co_await ask_many(s.port(), 60);
  };
  run(scenario());
  CHECK(seen.all().size() > 1);
}
#endif

TEST_CASE("serve_on: handed over, the loops get connections in turn", "[api][serve_on]") {
  census seen;
  const auto scenario = [&seen]() -> coro<> {
    loop_pool pool(3);
    const pool_server s = co_await serve_on(pool, echo{&seen}, "127.0.0.1", 0, dealing());
    co_await ask_many(s.port(), 60);
  };
  run(scenario());
  CHECK(seen.all() == std::vector<int>{20, 20, 20});
}

TEST_CASE("serve_on: closed, nobody is let in, and those there are served to their end",
          "[api][serve_on]") {
  for (const auto& options : {dealing(), by_kernel()}) {
    census seen;
    const auto scenario = [&seen](const serve_on_options& how) -> coro<> {
      loop_pool pool(2);
      pool_server s = co_await serve_on(pool, echo{&seen}, "127.0.0.1", 0, how);
      stream first = co_await open_connection("127.0.0.1", s.port());
      stream second = co_await open_connection("127.0.0.1", s.port());
      co_await first.write("1\n");
      co_await second.write("2\n");
      const auto got1 = co_await first.readline();  // named: g++ 12
      CHECK(got1 == "1\n");
      const auto got2 = co_await second.readline();  // named: g++ 12
      CHECK(got2 == "2\n");
      const auto each = co_await s.connections();
      CHECK(each.size() == 2);
      CHECK(each[0] + each[1] == 2);
      co_await s.close();
      const auto got3 = co_await refused(s.port());  // named: g++ 12
      CHECK(got3);
      co_await second.write("still\n");
      const auto got4 = co_await second.readline();  // named: g++ 12
      CHECK(got4 == "still\n");
      first.close();
      second.close();
      co_await s.wait_closed();
      co_await s.close();
      const auto none = co_await s.connections();
      CHECK(none == std::vector<std::size_t>{0, 0});
    };
    run(scenario(options));
  }
}

TEST_CASE("serve_on: shutdown gives the report of each loop", "[api][serve_on]") {
  census seen;
  const auto scenario = [&seen]() -> coro<> {
    loop_pool pool(2);
    pool_server s = co_await serve_on(pool, echo{&seen}, "127.0.0.1", 0, dealing());
    stream stays = co_await open_connection("127.0.0.1", s.port());
    co_await stays.write("1\n");
    const auto got5 = co_await stays.readline();  // named: g++ 12
    CHECK(got5 == "1\n");
    const auto reports = co_await s.shutdown(5ms);
    REQUIRE(reports.size() == 2);
    CHECK(reports[0].unfinished.size() + reports[1].unfinished.size() == 1);
    CHECK(reports[0].all_ended());
    CHECK(reports[1].all_ended());
    const auto got6 = co_await stays.readline();  // named: g++ 12
    CHECK(got6 == "");
    const auto got7 = co_await refused(s.port());  // named: g++ 12
    CHECK(got7);
  };
  run(scenario());
}

TEST_CASE("serve_on: destroyed, it closes and asks the handlers to stop",
          "[api][serve_on]") {
  census seen;
  const auto scenario = [&seen]() -> coro<> {
    loop_pool pool(2);
    std::optional<pool_server> s;
    s.emplace(co_await serve_on(pool, echo{&seen}, "127.0.0.1", 0, dealing()));
    const auto port = s->port();
    stream first = co_await open_connection("127.0.0.1", port);
    co_await first.write("1\n");
    const auto got8 = co_await first.readline();  // named: g++ 12
    CHECK(got8 == "1\n");
    s.reset();
    const auto got9 = co_await first.readline();  // named: g++ 12
    CHECK(got9 == "");
  };
  run(scenario());
}

TEST_CASE("serve_on: what was asked of it may begin when it is gone", "[api][serve_on]") {
  census seen;
  const auto scenario = [&seen]() -> coro<> {
    loop_pool pool(2);
    std::optional<pool_server> s;
    s.emplace(co_await serve_on(pool, echo{&seen}, "127.0.0.1", 0, dealing()));
    const auto port = s->port();
    auto closed = create_task(s->close());
    auto over = create_task(s->wait_closed());
    auto counts = create_task(s->connections());
    auto reports = create_task(s->shutdown(5ms));
    s.reset();
    co_await closed;
    co_await over;
    const auto each = co_await counts;
    CHECK(each == std::vector<std::size_t>{0, 0});
    const auto told = co_await reports;
    CHECK(told.size() == 2);
    const auto nobody = co_await refused(port);  // named: g++ 12
    CHECK(nobody);
  };
  run(scenario());
}

TEST_CASE("serve_on: the pool may end first, under load too, and nothing is left open",
          "[api][serve_on][R7]") {
  const std::size_t before = test::open_descriptors();
  for (int i = 0; i < 10; ++i) {
    census seen;
    const auto scenario = [&seen](bool deal) -> coro<> {
      std::optional<loop_pool> pool(std::in_place, 2);
      pool_server s = co_await serve_on(*pool, echo{&seen}, "127.0.0.1", 0,
                                        serve_on_options().hand_over(deal));
      const auto client = [](std::uint16_t port) -> coro<> {
        for (;;) {
          const auto o = co_await as_outcome(ask(port, "x\n"));
          if (!o.has_value() || o.value().empty()) co_return;
        }
      };
      std::vector<coro<>> clients;
      for (int k = 0; k < 8; ++k) clients.push_back(client(s.port()));
      auto all = gather(std::move(clients));
      co_await ask_many(s.port(), 8);
      co_await pool->shutdown();
      co_await all;
      const auto got10 = co_await refused(s.port());  // named: g++ 12
      CHECK(got10);
      co_await s.close();
      pool.reset();
    };
    run(scenario(i % 2 == 0));
  }
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("serve_on: asked after the pool is gone, it says that there is nothing",
          "[api][serve_on]") {
  census seen;
  const auto scenario = [&seen](const serve_on_options& how) -> coro<> {
    std::optional<loop_pool> pool(std::in_place, 2);
    pool_server s = co_await serve_on(*pool, echo{&seen}, "127.0.0.1", 0, how);
    pool.reset();
    co_await s.close();
    co_await s.wait_closed();
    const auto connections = co_await s.connections();
    CHECK(connections.empty());
    const auto reports = co_await s.shutdown(1s);
    CHECK(reports.empty());
  };
  run(scenario(dealing()));
  run(scenario(by_kernel()));
}

TEST_CASE("serve_on: a port that is taken is an error, and no loop keeps listening",
          "[api][serve_on]") {
  census seen;
  const auto scenario = [&seen](const serve_on_options& how) -> coro<> {
    loop_pool pool(2);
    server first = co_await start_server(echo{&seen}, "127.0.0.1", 0);
    const auto port = first.port();
    std::string why;
    try {
      const pool_server s = co_await serve_on(pool, echo{&seen}, "127.0.0.1", port, how);
    } catch (const uv_error& e) {
      why = e.what();
    }
    CHECK(why.find("EADDRINUSE") != std::string::npos);
    first.close();
    const pool_server s = co_await serve_on(pool, echo{&seen}, "127.0.0.1", port, how);
    const auto got11 = co_await ask(port, "x\n");  // named: g++ 12
    CHECK(got11 == "x\n");
  };
  run(scenario(dealing()));
  run(scenario(by_kernel()));
}
