// The shapes that g++ 12 miscompiles, and that the interface is made to avoid: what is shown
// in the documentation must not be among them. Each test is a shape that is safe.
#include <sheaf/coro.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>
#include <sheaf/to_thread.hpp>

#include <array>
#include <concepts>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/counted.hpp"

using namespace std::chrono_literals;
using test::counted;

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }

int value_of(const counted& c) { return c.value; }

/// Runs `c` and claims that each value was destroyed once.
template <class T>
T run_balanced(sheaf::coro<T> (*make)()) {
  counted::reset();
  T result{};
  {
    sheaf::loop l(virtual_clock());
    result = l.run_until_complete(make());
    CHECK(l.exceptions_reported() == 0);
  }
  CHECK(counted::alive == 0);
  return result;
}

sheaf::coro<int> give(counted c) {
  co_await sheaf::sleep(0s);
  co_return c.value;
}

template <class F, class... Args>
sheaf::coro<int> call(F f, Args... args) {
  co_await sheaf::sleep(0s);
  co_return f(args...);
}

}  // namespace

// ---- G1: a temporary lambda with a capture inside the awaiting expression ------------------

namespace {

sheaf::coro<int> g1_arguments() { co_return co_await call(value_of, counted(1)); }

sheaf::coro<int> g1_named_lambda() {
  const auto f = [c = counted(1)] { return c.value; };
  co_return co_await call(f);
}

sheaf::coro<int> g1_bind_front() {
  co_return co_await call(std::bind_front(value_of, counted(1)));
}

sheaf::coro<int> g1_reference_capture() {
  const counted c(1);
  co_return co_await call([&c] { return c.value; });
}

sheaf::coro<int> g1_to_thread() {
  co_return co_await sheaf::to_thread(value_of, counted(1));
}

sheaf::coro<int> g1_then() {
  auto t = sheaf::create_task(give(counted(1)));
  auto next = t.then([c = counted(1)](int v) { return v * c.value; });
  co_return co_await next;
}

}  // namespace

TEST_CASE("pitfalls: a callable comes with its arguments, not captures [G1]",
          "[api][pitfalls][G1]") {
  CHECK(run_balanced(g1_arguments) == 1);
  CHECK(run_balanced(g1_named_lambda) == 1);
  CHECK(run_balanced(g1_bind_front) == 1);
  CHECK(run_balanced(g1_reference_capture) == 1);
  CHECK(run_balanced(g1_then) == 1);
}

TEST_CASE("pitfalls: to_thread takes the arguments of its function [G1]",
          "[api][pitfalls][G1]") {
  CHECK(run_balanced(g1_to_thread) == 1);
}

// ---- G2: a braced aggregate inside the awaiting expression ---------------------------------

// Options are classes with setters: there is nothing to brace.
static_assert(!std::is_aggregate_v<sheaf::task_options>);
static_assert(!std::is_aggregate_v<sheaf::loop_options>);

namespace {

sheaf::coro<int> g2_setters() {
  co_return co_await sheaf::create_task(
      give(counted(2)),
      sheaf::task_options().name("a name too long for the small buffer"));
}

sheaf::coro<int> g2_named_options() {
  const auto options = sheaf::task_options().name("a name too long for the small buffer");
  auto t = sheaf::create_task(give(counted(2)), options);
  co_return co_await t;
}

}  // namespace

TEST_CASE("pitfalls: options have setters, and are no aggregates [G2]",
          "[api][pitfalls][G2]") {
  CHECK(run_balanced(g2_setters) == 2);
  CHECK(run_balanced(g2_named_options) == 2);
}

// ---- G3, G4: braced arrays and lists inside the awaiting expression ------------------------

namespace {

sheaf::coro<int> g3_pack() {
  const auto [a, b] = co_await sheaf::gather(give(counted(1)), give(counted(2)));
  co_return a + b;
}

sheaf::coro<int> g4_range() {
  std::vector<sheaf::coro<int>> children;
  for (int i = 1; i <= 3; ++i) children.push_back(give(counted(i)));
  int sum = 0;
  for (const int v : co_await sheaf::gather(std::move(children))) sum += v;
  co_return sum;
}

sheaf::coro<int> g3_named_array() {
  std::array tasks{sheaf::create_task(give(counted(1))),
                   sheaf::create_task(give(counted(2)))};
  int sum = 0;
  for (auto& t : tasks) sum += co_await t;
  co_return sum;
}

}  // namespace

TEST_CASE("pitfalls: packs take the place of braced arrays [G3]", "[api][pitfalls][G3]") {
  CHECK(run_balanced(g3_pack) == 3);
  CHECK(run_balanced(g3_named_array) == 3);
}

TEST_CASE("pitfalls: ranges take the place of braced lists [G4]", "[api][pitfalls][G4]") {
  CHECK(run_balanced(g4_range) == 6);
}

// ---- G5: an await in a condition of a coroutine without named locals -----------------------

namespace {

sheaf::coro<bool> yes() { co_return true; }
sheaf::coro<int> count_down(int& n) { co_return --n; }

sheaf::coro<int> g5_if() {
  if (const bool is = co_await yes(); is) co_return 1;
  co_return 0;
}

sheaf::coro<int> g5_while(int& n) {
  int rounds = 0;
  while (co_await count_down(n) > 0) ++rounds;
  co_return rounds;
}

sheaf::coro<int> g5_switch(int& n) {
  switch (const int left = co_await count_down(n); left) {
    case 4:
      co_return 40;
    default:
      co_return 0;
  }
}

}  // namespace

// `if (co_await yes())` in a coroutine without any named local never goes on past the await
// under g++ 12, at every -O level (with a sanitizer it ends in SIGILL). One named local, be
// it the condition's own, makes it right.
TEST_CASE("pitfalls: an await may stand in a condition that names its value [G5]",
          "[api][pitfalls][G5]") {
  sheaf::loop l(virtual_clock());
  int n = 5;
  CHECK(l.run_until_complete(g5_if()) == 1);
  CHECK(l.run_until_complete(g5_switch(n)) == 40);
  CHECK(l.run_until_complete(g5_while(n)) == 3);
}

// ---- G6: many synchronous awaits in a row, and deep ones -----------------------------------

namespace {

sheaf::coro<int> one() { co_return 1; }

sheaf::coro<int> g6_in_a_row() {
  int sum = 0;
  for (int i = 0; i < 100'000; ++i) sum += co_await one();
  co_return sum;
}

sheaf::coro<int> g6_deep(int levels) {
  if (levels == 0) co_return 0;
  const int below = co_await g6_deep(levels - 1);
  co_return below + 1;
}

sheaf::coro<int> g6_done_tasks() {
  auto t = sheaf::create_task(one());
  int sum = co_await t;
  for (int i = 1; i < 100'000; ++i) sum += co_await t;
  co_return sum;
}

}  // namespace

TEST_CASE("pitfalls: 100,000 awaits that do not suspend need no stack [G6]",
          "[api][pitfalls][G6]") {
  sheaf::loop l(virtual_clock());
  CHECK(l.run_until_complete(g6_in_a_row()) == 100'000);
  CHECK(l.run_until_complete(g6_deep(100'000)) == 100'000);
  CHECK(l.run_until_complete(g6_done_tasks()) == 100'000);
}

// ---- awaiters that are no coroutines -------------------------------------------------------

namespace {

sheaf::coro<int> await_temporary_awaiter() {
  const counted c = co_await sheaf::sleep(1s, counted(3));
  co_return c.value;
}

sheaf::coro<int> await_chosen(bool first) {
  // Not `first ? co_await a : co_await b`: g++ 12 destroys the temporaries of both.
  if (first) {
    const counted c = co_await sheaf::sleep(1s, counted(1));
    co_return c.value;
  }
  const counted c = co_await sheaf::sleep(0s, counted(2));
  co_return c.value;
}
sheaf::coro<int> await_either() {
  const int a = co_await await_chosen(true);
  const int b = co_await await_chosen(false);
  co_return a * 10 + b;
}

}  // namespace

// g++ 12 copies an awaiter that await_transform returns by reference.
TEST_CASE("pitfalls: an awaiter is neither copied nor destroyed twice",
          "[api][pitfalls]") {
  CHECK(run_balanced(await_temporary_awaiter) == 3);
  CHECK(run_balanced(await_either) == 12);
}

namespace {

/// A pointer's worth, as most handles are.
class owner {
 public:
  owner() = default;
  explicit owner(std::size_t v) : value_(new std::size_t(v)) {}
  owner(owner&& o) noexcept : value_(std::exchange(o.value_, nullptr)) {}
  owner& operator=(owner&& o) noexcept {
    std::swap(value_, o.value_);
    return *this;
  }
  ~owner() { delete value_; }
  std::size_t value() const { return *value_; }

 private:
  std::size_t* value_ = nullptr;
};

sheaf::coro<owner> make_one(std::size_t v) {
  co_await sheaf::sleep(1ms);
  co_return owner(v);
}

sheaf::coro<std::vector<owner>> make_many(std::size_t n, std::size_t at_once) {
  std::vector<owner> all;
  while (all.size() < n) {
    std::vector<sheaf::coro<owner>> some;
    for (std::size_t i = all.size(); i < n && some.size() < at_once; ++i) {
      some.push_back(make_one(i));
    }
    auto made = co_await sheaf::gather(std::move(some));
    for (owner& each : made) all.push_back(std::move(each));
  }
  co_return all;
}

sheaf::coro<std::size_t> sum_of_many(std::size_t n) {
  const auto all = co_await make_many(n, 7);
  co_await sheaf::sleep(1ms);
  std::size_t sum = 0;
  for (const owner& each : all) sum += each.value();
  co_return sum;
}

}  // namespace

// g++ 12 at -O2 needs -fno-tree-slp-vectorize for this one: meson.build has it.
TEST_CASE("pitfalls: a vector filled in a loop that awaits, and returned",
          "[api][pitfalls]") {
  sheaf::loop l(virtual_clock());
  CHECK(l.run_until_complete(sum_of_many(20)) == 190);
}
