#include <sheaf/context_var.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>

#include "support/catch.hpp"
#include "support/seeds.hpp"

#include <chrono>
#include <string>
#include <thread>

using namespace std::chrono_literals;

namespace {

const sheaf::context_var<int> depth(0);
const sheaf::context_var<std::string> request("-");

sheaf::coro<int> set_and_get(int value) {
  const int before = depth.get();
  depth.set(value);
  co_await sheaf::sleep(1ms);  // others run and set their own meanwhile
  co_return before * 100 + depth.get();
}

sheaf::coro<std::string> children_do_not_disturb() {
  depth.set(1);
  auto [a, b] = co_await sheaf::gather(set_and_get(2), set_and_get(3));
  co_return std::to_string(a) + " " + std::to_string(b) + " " +
      std::to_string(depth.get());
}

sheaf::coro<int> change_after_creation() {
  depth.set(1);
  auto child = sheaf::create_task(set_and_get(5));
  depth.set(9);  // too late for the child
  co_return co_await child;
}

sheaf::coro<std::string> callbacks() {
  auto& l = sheaf::loop::current();
  sheaf::promise<int> p;
  std::string log;
  request.set("r1");
  l.call_soon([&] { log += "soon " + request.get() + ", "; });
  l.call_later(1ms, [&] {
    log += "later " + request.get() + ", ";
    request.set("of the callback");
  });
  p.get_future().add_done_callback([&](const sheaf::future<int>& f) {
    log += "done " + request.get() + " " + std::to_string(f.result()) + ", ";
  });
  request.set("r2");
  p.set_value(7);
  co_await sheaf::sleep(2ms);
  co_return log + ", task " + request.get();
}

sheaf::coro<> set_request(std::string value) {
  request.set(std::move(value));
  co_return;
}

sheaf::coro<std::string> get_request() { co_return request.get(); }

sheaf::coro<std::string> shared_context() {
  const sheaf::context shared = sheaf::copy_context();
  const auto options = sheaf::task_options().context(shared);
  co_await sheaf::create_task(set_request("shared"), options);
  co_return co_await sheaf::create_task(get_request(), options) + " " + request.get();
}

sheaf::coro<std::string> eager_child() {
  request.set("parent");
  auto child =
      sheaf::create_task(set_request("child"), sheaf::task_options().eager_start());
  co_await child;
  co_return request.get();
}

template <class T>
T run_virtual(sheaf::coro<T> main) {
  return sheaf::run(std::move(main), sheaf::run_options().virtual_time());
}

}  // namespace

TEST_CASE("context_var: a task runs in a copy of its creator's context [TASK-18]",
          "[TASK-18]") {
  CHECK(run_virtual(children_do_not_disturb()) == "102 103 1");
}

TEST_CASE("context_var: the copy is taken when the task is created [TASK-18]",
          "[TASK-18]") {
  CHECK(run_virtual(change_after_creation()) == 105);
}

TEST_CASE("context_var: a callback runs in the context it was registered in [TASK-18]",
          "[TASK-18]") {
  CHECK(run_virtual(callbacks()) == "soon r1, done r1 7, later r1, , task r2");
}

TEST_CASE("context_var: tasks that are given one context share it [TASK-18]",
          "[TASK-18]") {
  CHECK(run_virtual(shared_context()) == "shared -");
}

TEST_CASE("context_var: an eager first step leaves the creator's context alone [TASK-18]",
          "[TASK-18]") {
  CHECK(run_virtual(eager_child()) == "parent");
}

TEST_CASE("context_var: outside of tasks the thread has its own, which tasks start from",
          "[context_var]") {
  request.set("thread");
  CHECK(request.get() == "thread");
  CHECK(run_virtual(get_request()) == "thread");
  CHECK(run_virtual(eager_child()) == "parent");
  CHECK(request.get() == "thread");
  request.set("-");
}

TEST_CASE("context_var: all runs of a runner share one context [RUN-10]", "[RUN-10]") {
  sheaf::runner r;
  r.run(set_request("first run"));
  CHECK(r.run(get_request()) == "first run");
  CHECK(request.get() == "-");
}

TEST_CASE("context_var: a context runs a function, and keeps what that sets [TASK-18]",
          "[TASK-18]") {
  const sheaf::context kept = sheaf::copy_context();
  const auto set = [](int v) {
    depth.set(v);
    return depth.get();
  };
  CHECK(kept.run(set, 7) == 7);
  CHECK(depth.get() == 0);
  CHECK(kept.run([] { return depth.get(); }) == 7);
  run_virtual([](const sheaf::context& c) -> sheaf::coro<> {
    depth.set(1);
    CHECK(c.run([] { return depth.get(); }) == 7);
    CHECK(depth.get() == 1);
    CHECK_THROWS_AS(c.run([] { throw 1; }), int);
    CHECK(depth.get() == 1);
    co_return;
  }(kept));
}

TEST_CASE("context_var: call_soon_threadsafe brings its caller's context [TASK-18]",
          "[TASK-18]") {
  sheaf::loop l;
  std::string log;
  std::thread other([&] {
    request.set("of the thread");
    l.call_soon_threadsafe([&] {
      log = request.get();
      request.set("of the callback");
    });
    CHECK(request.get() == "of the thread");
  });
  other.join();
  l.run_forever();
  CHECK(log == "of the thread");
  CHECK(request.get() == "-");
}

TEST_CASE("context_var: a task made in a callback sees what the callback set",
          "[api][context_var]") {
  static sheaf::context_var<int> number(0);
  sheaf::loop l(sheaf::loop_options().virtual_time());
  int seen = -1;
  const auto reads = [](int& into) -> sheaf::coro<> {
    into = number.get();
    co_return;
  };
  l.call_soon([&] {
    number.set(7);
    static_cast<void>(sheaf::create_task(reads(seen)));
    number.set(0);
  });
  l.run_forever();
  CHECK(seen == 7);
}

TEST_CASE(
    "context_var: a task keeps its own value, in whatever order tasks run [TASK-18]",
    "[TASK-18]") {
  static const sheaf::context_var<int> own(0);
  test::for_seeds([]() -> sheaf::coro<> {
    const auto child = [](int value) -> sheaf::coro<bool> {
      const bool inherited = own.get() == value;
      co_await sheaf::sleep(0ms);
      own.set(value + 100);
      co_await sheaf::sleep(1ms);
      co_return inherited&& own.get() == value + 100;
    };
    std::vector<sheaf::task<bool>> children;
    for (int i = 0; i < 6; ++i) {
      own.set(i);
      children.push_back(sheaf::create_task(child(i)));
    }
    const std::vector<bool> kept = co_await sheaf::gather(children);
    CHECK(kept == std::vector<bool>(6, true));
    CHECK(own.get() == 5);
  });
}
