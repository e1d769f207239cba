// Names of the interface, used as programs outside use them: whoever changes one of these lines
// breaks those.
#include <sheaf/sheaf.hpp>

#include <signal.h>

#include <array>
#include <chrono>
#include <future>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch.hpp"
#include "support/scratch_dir.hpp"

using namespace std::chrono_literals;
using namespace sheaf;

namespace {

coro<int> give(int x, std::chrono::milliseconds after = 0ms) {
  co_await sleep(after);
  co_return x;
}
coro<> nothing() { co_await sleep(0s); }
coro<int> fail(std::string what) {
  co_await sleep(0s);
  throw std::runtime_error(what);
}
std::vector<coro<int>> several(int n) {
  std::vector<coro<int>> all;
  for (int i = 0; i < n; ++i) all.push_back(give(i, std::chrono::milliseconds(i + 1)));
  return all;
}
std::vector<task<int>> tasks(int n) {
  std::vector<task<int>> all;
  for (int i = 0; i < n; ++i)
    all.push_back(create_task(give(i, std::chrono::milliseconds(i + 1))));
  return all;
}
run_options on_virtual_time() { return run_options().virtual_time(); }

}  // namespace

TEST_CASE("contract: coroutines and running them", "[api][contract]") {
  static_assert(std::is_same_v<coro<>, coro<void>>);
  static_assert(!std::is_copy_constructible_v<coro<int>>);
  static_assert(std::is_base_of_v<future<int>, task<int>>);
  static_assert(!std::is_base_of_v<std::exception, cancelled>);
  static_assert(std::is_base_of_v<std::system_error, timeout_error>);
  static_assert(std::is_base_of_v<std::system_error, uv_error>);
  CHECK(run(give(1)) == 1);
  CHECK(run(give(2), run_options().debug(true)) == 2);
  CHECK(run(give(3), run_options().seed(7).virtual_time()) == 3);
  runner r;
  CHECK(r.run(give(4)) == 4);
  r.run(nothing());

  const auto main = []() -> coro<> {
    auto t = create_task(give(5));
    auto named = create_task(give(6, 1h), task_options().name("x"));
    CHECK(named.name() == "x");
    CHECK(named.id() != t.id());
    CHECK(t.cancelling() == 0);
    CHECK(named.stack().empty());  // it has not begun
    CHECK(all_tasks().size() == 3);
    CHECK(current_task().id() != t.id());
    const int& five = co_await t;
    CHECK(five == 5);
    CHECK((t.done() && !t.cancelled() && t.result() == 5 && t.exception() == nullptr));
    CHECK(t.outcome().value() == 5);
    named.cancel("not needed");
    try {
      co_await named;
    } catch (const cancelled& e) {
      CHECK(e.reason() == "not needed");
    }
    CHECK(named.cancelled());
    CHECK(named.cancelling() == 1);
    CHECK(named.uncancel() == 0);

    promise<int> p;
    future<int> f = p.get_future();
    int called = 0;
    f.add_done_callback([&called](const future<int>&) { ++called; });
    const auto id = f.add_done_callback([&called](const future<int>&) { called += 100; });
    f.remove_done_callback(id);
    auto twice = f.then([](int x) { return 2 * x; });
    p.set_value(21);
    const int doubled = co_await twice;
    CHECK((doubled == 42 && called == 1));
    promise<> q;
    auto g = q.get_future();
    q.set_exception(std::make_exception_ptr(std::runtime_error("x")));
    const outcome<> o = co_await as_outcome(g);
    CHECK((!o.has_value() && !o.is_cancelled() && o.error()));
    auto broken = std::optional(promise<int>())->get_future();
    const auto b = co_await as_outcome(broken);
    CHECK_THROWS_AS(b.value(), broken_promise);
    CHECK_THROWS_AS(p.set_value(1), invalid_state);

    co_await sleep(1ms);
    co_await sleep_until(std::chrono::steady_clock::now());
    co_await sleep(0s);
  };
  run(main());
}

TEST_CASE("contract: combinators", "[api][contract]") {
  const auto main = []() -> coro<> {
    auto [x, y] = co_await gather(give(1), give(2));
    CHECK((x == 1 && y == 2));
    std::tuple<int, std::monostate> with_void = co_await gather(give(1), nothing());
    CHECK(std::get<0>(with_void) == 1);
    auto coros = several(3);
    std::vector<int> v = co_await gather(std::move(coros));
    CHECK(v == std::vector{0, 1, 2});
    std::vector<coro<>> voids;
    voids.push_back(nothing());
    co_await gather(std::move(voids));
    auto [good, bad] = co_await gather(return_exceptions, give(1), fail("x"));
    CHECK((good.has_value() && !bad.has_value()));
    auto many = several(20);
    std::vector<int> limited = co_await gather(limit(8), std::move(many));
    CHECK(limited.size() == 20);
    auto running = create_task(give(3, 5ms));
    auto left = gather(leave_running, running, fail("y"));
    const auto first = co_await as_outcome(left);
    CHECK((first.error() && !running.done()));
    std::vector<int> numbers{1, 2, 3};
    std::vector<int> mapped =
        co_await map(numbers, [](int n) { return give(n * n); }, limit(8));
    CHECK(mapped == std::vector{1, 4, 9});

    auto range = several(3);
    int sum = 0;
    auto s = as_completed(std::move(range), as_completed_options().timeout(1s));
    while (std::optional<task<int>> t = co_await s.next()) sum += co_await *t;
    CHECK(sum == 3);
    for (auto&& aw : as_completed(several(3))) {
      int got = co_await aw;
      sum += got;
    }
    CHECK(sum == 6);

    auto some = tasks(3);
    auto [done, pending] =
        co_await wait(some, wait_options().return_when(first_completed).timeout(1s));
    CHECK((done.size() == 1 && pending.size() == 2));
    auto [all, none] = co_await wait(some, wait_options().return_when(all_completed));
    CHECK((all.size() == 3 && none.empty()));
    auto more = tasks(1);
    auto [fine, rest] = co_await wait(more, wait_options().return_when(first_exception));
    CHECK((fine.size() == 1 && rest.empty()));

    const int in_time = co_await wait_for(give(1), 100ms);
    CHECK(in_time == 1);
    bool late = false;
    try {
      co_await wait_for(give(1, 200ms), 100ms);
    } catch (const timeout_error& e) {
      late = e.code() == std::errc::timed_out;
    }
    CHECK(late);
    const auto body = [](timeout& t) -> coro<int> {
      t.reschedule(std::chrono::steady_clock::time_point::max());
      CHECK((t.when() && !t.expired()));
      co_return 7;
    };
    const int seven = co_await timeout::run(100ms, body);
    const int again = co_await timeout::at(std::chrono::steady_clock::now() + 1h, body);
    CHECK((seven == 7 && again == 7));
    const int shielded = co_await shield(give(8));
    CHECK(shielded == 8);

    const auto group = [](task_group& g) -> coro<> {
      auto t = g.create_task(give(1), task_options().name("child"));
      g.create_task(nothing());
      CHECK(co_await t == 1);
    };
    co_await task_group::run(group);
    const auto failing = [](task_group& g) -> coro<> {
      g.create_task(fail("a"));
      co_await sleep(1h);
    };
    bool grouped = false;
    try {
      co_await task_group::run(failing);
    } catch (const exception_group& e) {
      grouped = e.exceptions().size() == 1;
    }
    CHECK(grouped);

    auto won = co_await race(give(1, 9ms), give(2, 1ms));
    CHECK((won.index == 1 && won.value == 2));
    auto succeeded = co_await first_success(fail("x"), give(2, 1ms));
    CHECK(succeeded.value == 2);
    auto enough = co_await quorum(2, several(3));
    CHECK(enough.size() == 2);
  };
  run(main(), on_virtual_time());
}

TEST_CASE("contract: synchronisation, queues, threads", "[api][contract]") {
  const auto main = []() -> coro<> {
    mutex m;
    {
      auto g = co_await m.scoped_lock();
      CHECK(m.locked());
    }
    co_await m.acquire();
    m.release();
    event e;
    e.set();
    co_await e.wait();
    CHECK(e.is_set());
    e.clear();
    condition c;
    {
      auto g = co_await c.scoped_lock();
      c.notify();
      c.notify_all();
    }
    semaphore s(2);
    co_await s.acquire();
    s.release();
    bounded_semaphore at_most(1);
    co_await at_most.acquire();
    at_most.release();
    barrier one(1);
    co_await one.wait();

    queue<int> q(2);
    co_await q.put(1);
    q.put_nowait(2);
    CHECK_THROWS_AS(q.put_nowait(3), queue_full);
    const int first = co_await q.get();
    CHECK((first == 1 && q.get_nowait() == 2));
    CHECK_THROWS_AS(q.get_nowait(), queue_empty);
    q.task_done();
    q.task_done();
    co_await q.join();
    q.shutdown();
    CHECK_THROWS_AS(q.put_nowait(4), queue_shut_down);
    priority_queue<int> p(0);
    p.put_nowait(2);
    p.put_nowait(1);
    CHECK(p.get_nowait() == 1);
    lifo_queue<int> l(0);
    l.put_nowait(1);
    l.put_nowait(2);
    CHECK(l.get_nowait() == 2);

    const int sum = co_await to_thread([](int a, int b) { return a + b; }, 1, 2);
    CHECK(sum == 3);
    auto& here = loop::current();
    std::future<int> from_afar;
    std::thread other([&] { from_afar = run_coroutine_threadsafe(here, give(9)); });
    co_await to_thread([&] { other.join(); });
    const int nine = co_await to_thread([&] { return from_afar.get(); });
    CHECK(nine == 9);

    static context_var<std::string> who("nobody");
    who.set("somebody");
    const auto child = []() -> coro<std::string> { co_return who.get(); };
    const std::string inherited = co_await create_task(child());
    CHECK(inherited == "somebody");
  };
  run(main());
}

TEST_CASE("contract: the loop", "[api][contract]") {
  loop l;
  std::string order;
  l.set_exception_handler([](const auto&) {});
  auto soon = l.call_soon([&] { order += 's'; });
  auto never = l.call_soon([&] { order += 'x'; });
  never.cancel();
  auto later = l.call_later(1ms, [&] { order += 'l'; });
  auto at = l.call_at(l.time() + 2ms, [&] {
    order += 'a';
    loop::current().stop();
  });
  auto afar = l.call_soon_threadsafe([&] { order += 't'; });
  l.run_forever();
  CHECK(order == "stla");
  CHECK(l.run_until_complete(give(1)) == 1);
  CHECK(l.uv() != nullptr);

  loop host;
  {
    loop guest(host.uv(), borrowed);
    bool ran = false;
    guest.call_soon([&] { ran = true; });
    host.run_until_complete(give(1));
    CHECK(ran);
  }
}

TEST_CASE("contract: handles and requests of the runtime", "[api][contract]") {
  namespace rt = sheaf::runtime;
  const auto moves = []<class T>(std::type_identity<T>) {
    return std::is_move_constructible_v<T> && !std::is_copy_constructible_v<T>;
  };
  const auto all_move = [&]<class... T>(std::type_identity<std::tuple<T...>>) {
    return (moves(std::type_identity<T>()) && ...);
  };
  CHECK(all_move(std::type_identity<
                 std::tuple<rt::timer, rt::idle, rt::prepare, rt::check, rt::async,
                            rt::signal, rt::poll, rt::tcp, rt::pipe, rt::tty, rt::udp,
                            rt::process, rt::fs_event, rt::fs_poll, rt::request>>()));
  rt::loop l;
  int answers = 0;
  std::vector<rt::request> asked;
  asked.push_back(rt::work(l, [] {}, [&](std::error_code) { ++answers; }));
  asked.push_back(rt::random(l, 8, [&](std::string, std::error_code) { ++answers; }));
  asked.push_back(
      rt::getaddrinfo(l, "127.0.0.1", "80", rt::address_hints(),
                      [&](std::vector<rt::address>, std::error_code) { ++answers; }));
  asked.push_back(rt::getnameinfo(l, rt::address::ip("127.0.0.1", 80),
                                  [&](rt::host_name, std::error_code) { ++answers; }));
  asked.push_back(
      rt::fs::stat(l, "/", [&](const rt::file_status&, std::error_code) { ++answers; }));
  while (answers < 5) l.turn();
}

TEST_CASE("contract: streams, processes, files", "[api][contract]") {
  const test::scratch_dir dir;
  const auto main = [&dir]() -> coro<> {
    const auto echo = [](stream s) -> coro<> {
      const std::string line = co_await s.readline();
      co_await s.write(line);
      s.write_eof();
      s.close();
    };
    server tcp = co_await start_server(echo, "127.0.0.1", 0);
    stream s = co_await open_connection("127.0.0.1", tcp.port());
    co_await s.write("hello\n");
    const std::string answer = co_await s.readexactly(6);
    CHECK(answer == "hello\n");
    s.close();
    const std::string path = dir / "socket";
    server local = co_await start_unix_server(echo, path);
    stream u = co_await open_unix_connection(path);
    co_await u.write(std::string("a;b\n"));
    const std::string a = co_await u.readuntil(";");
    std::array<char, 16> room{};
    const std::size_t n = co_await u.read_some(std::span<char>(room));
    const std::string rest = co_await u.read(100);
    CHECK((a == "a;" && n == 2 && rest.empty()));

    process child =
        co_await create_subprocess_exec(process_options("/bin/sh", "-c", "cat; exit 3")
                                            .stdin_(stdio::pipe)
                                            .stdout_(stdio::pipe)
                                            .stderr_(stdio::pipe));
    const auto [out, err] = co_await child.communicate("input");
    const int code = co_await child.wait();
    CHECK(code == 3);
    process talks = co_await create_subprocess_exec(
        process_options("cat").stdin_(stdio::pipe).stdout_(stdio::pipe));
    co_await talks.stdin_.write("line\n");
    const std::string said = co_await talks.stdout_.readline();
    CHECK(said == "line\n");
    talks.send_signal(SIGTERM);
    const int killed = co_await talks.wait();
    CHECK(killed == -SIGTERM);
    process stuck = co_await create_subprocess_exec("sleep", "1000");
    stuck.kill();
    co_await stuck.wait();

    const auto found = co_await resolve("127.0.0.1", 80);
    CHECK(found.size() == 1);
    signal_stream signals{SIGUSR1};
    udp_socket datagrams;
    datagrams.bind(address::ip("127.0.0.1", 0));

    fs::file f = co_await fs::open(dir / "file", fs::writing);
    co_await f.write("text");
    co_await f.close();
    fs::file again = co_await fs::open(dir / "file");
    const std::string text = co_await again.read();
    const auto stat = co_await fs::stat(dir / "file");
    CHECK((text == "text" && stat.size == 4));
  };
  run(main());
}

TEST_CASE("contract: trace", "[api][contract]") {
  const test::scratch_dir dir;
  run(nothing(), run_options().trace(dir / "run.json"));
  const auto main = [&dir]() -> coro<> {
    trace::start(trace_options().path(dir / "part.json"));
    co_await nothing();
    trace::stop();
  };
  run(main());
  CHECK(dir.text("part.json").find("traceEvents") != std::string::npos);
}
