#include <sheaf/runtime/ready_queue.hpp>
#include <sheaf/runtime/timing_wheel.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"

using namespace sheaf::runtime;

static_assert(!std::is_copy_constructible_v<timing_wheel>);
static_assert(!std::is_copy_constructible_v<timer_node>);

namespace {

constexpr std::uint64_t tick = std::uint64_t{1} << 20;

struct node final : timer_node {
  explicit node(int n) : number(n) {}
  void run() noexcept override {}
  const int number;
};

/// What a listener hears; the nodes are no longer in the wheel.
struct heard final : due_listener {
  explicit heard(std::uint64_t time) : now(time) {}
  void due(const timer_node& n, std::uint64_t deadline) noexcept override {
    late = late && deadline <= now && deadline >= last;
    last = deadline;
    numbers.push_back(static_cast<const node&>(n).number);
  }
  const std::uint64_t now;
  std::uint64_t last = 0;
  bool late = true;  // none early, and in order of the deadlines
  std::vector<int> numbers;
};

/// The numbers of what has become due, in order: as queued and as heard.
std::vector<int> due(timing_wheel& wheel, std::uint64_t now) {
  ready_queue ready;
  heard listener(now);
  wheel.expire(now, ready, &listener);
  std::vector<int> numbers;
  while (ready_node* const n = ready.pop())
    numbers.push_back(static_cast<node*>(n)->number);
  CHECK(listener.numbers == numbers);
  CHECK(listener.late);
  return numbers;
}

using numbers = std::vector<int>;

/// The same as the wheel in three lines: a multimap keeps equal keys in order of insertion.
class model {
 public:
  void arm(std::uint64_t deadline, int n) { at_[n] = all_.emplace(deadline, n); }
  void remove(int n) {
    all_.erase(at_.at(n));
    at_.erase(n);
  }
  numbers due(std::uint64_t now) {
    numbers out;
    while (!all_.empty() && all_.begin()->first <= now) {
      out.push_back(all_.begin()->second);
      remove(out.back());
    }
    return out;
  }
  std::size_t size() const { return all_.size(); }
  std::uint64_t earliest() const {
    return all_.empty() ? timing_wheel::never : all_.begin()->first;
  }
  int any(std::mt19937_64& random) const {
    auto i = at_.begin();
    std::advance(i, static_cast<long>(random() % at_.size()));
    return i->first;
  }

 private:
  std::multimap<std::uint64_t, int> all_;
  std::map<int, std::multimap<std::uint64_t, int>::iterator> at_;
};

/// Of any magnitude alike, so that all levels are used.
std::uint64_t any_distance(std::mt19937_64& random, int most_bits) {
  const auto shift = random() % static_cast<unsigned>(most_bits);
  return random() & ((std::uint64_t{2} << shift) - 1);
}

}  // namespace

TEST_CASE("timing_wheel: a new one is empty", "[runtime][timing_wheel]") {
  timing_wheel wheel;
  CHECK(wheel.empty());
  CHECK(wheel.earliest() == timing_wheel::never);
  CHECK(due(wheel, 0).empty());
  CHECK(due(wheel, timing_wheel::never).empty());
}

TEST_CASE("timing_wheel: never early, to the nanosecond",
          "[runtime][timing_wheel][LOOP-9]") {
  // The first and the last nanosecond of a slot, on each level.
  for (int bits = 0; bits < 63; ++bits) {
    for (const std::uint64_t off : {std::uint64_t{0}, std::uint64_t{1}, tick - 1, tick}) {
      const std::uint64_t deadline = (std::uint64_t{1} << bits) + off;
      timing_wheel wheel;
      node n(1);
      wheel.arm(n, deadline);
      REQUIRE(wheel.earliest() == deadline);
      REQUIRE(due(wheel, deadline - 1).empty());
      REQUIRE(n.armed());
      REQUIRE(due(wheel, deadline) == numbers{1});
      REQUIRE_FALSE(n.armed());
      REQUIRE(wheel.empty());
    }
  }
}

TEST_CASE("timing_wheel: due together, they come by deadline",
          "[runtime][timing_wheel][LOOP-12]") {
  timing_wheel wheel;
  node a(1), b(2), c(3), d(4);
  wheel.arm(a, 5 * tick);
  wheel.arm(b, 3);
  wheel.arm(c, 300 * tick);  // a level further out
  wheel.arm(d, 2);           // in the slot of b
  CHECK(due(wheel, 400 * tick) == numbers{4, 2, 1, 3});
}

TEST_CASE("timing_wheel: equal deadlines keep the order they were armed in",
          "[runtime][timing_wheel][LOOP-13]") {
  // Armed from ever nearer, so that each enters the wheel on another level.
  constexpr std::uint64_t deadline = (std::uint64_t{1} << 40) + 12'345;
  timing_wheel wheel;
  std::deque<node> nodes;
  numbers expected;
  for (int i = 0; i < 40; ++i) {
    wheel.arm(nodes.emplace_back(i), deadline);
    expected.push_back(i);
    REQUIRE(due(wheel, deadline - (std::uint64_t{1} << (40 - i))).empty());
  }
  CHECK(due(wheel, deadline) == expected);
}

TEST_CASE("timing_wheel: a removed one does not come",
          "[runtime][timing_wheel][LOOP-7]") {
  timing_wheel wheel;
  node a(1), b(2), c(3);
  for (node* n : {&a, &b, &c}) wheel.arm(*n, 10 * tick);
  wheel.remove(b);
  CHECK_FALSE(b.armed());
  CHECK(wheel.size() == 2);
  CHECK(due(wheel, 10 * tick) == numbers{1, 3});
  wheel.arm(b, 11 * tick);
  wheel.remove(b);
  CHECK(wheel.earliest() == timing_wheel::never);
}

TEST_CASE("timing_wheel: a node can be armed again", "[runtime][timing_wheel]") {
  timing_wheel wheel;
  node a(1);
  for (std::uint64_t i = 1; i < 1'000; ++i) {
    wheel.arm(a, i * 7 * tick);
    REQUIRE(due(wheel, i * 7 * tick - 1).empty());
    REQUIRE(due(wheel, i * 7 * tick) == numbers{1});
  }
}

TEST_CASE("timing_wheel: earliest() follows a removal into another slot",
          "[runtime][timing_wheel][LOOP-14]") {
  timing_wheel wheel;
  node a(1), b(2);
  wheel.arm(a, 10 * tick);
  wheel.arm(b, 900 * tick);
  wheel.remove(a);
  CHECK(wheel.earliest() == 900 * tick);
}

TEST_CASE("timing_wheel: deadlines of the past are due at once, by deadline",
          "[runtime][timing_wheel][LOOP-11]") {
  timing_wheel wheel;
  CHECK(due(wheel, 1'000 * tick).empty());
  node a(1), b(2), c(3);
  wheel.arm(a, 900 * tick);
  wheel.arm(b, 0);
  wheel.arm(c, 1'000 * tick);
  CHECK(due(wheel, 1'000 * tick) == numbers{2, 1, 3});
}

TEST_CASE("timing_wheel: does what a multimap does", "[runtime][timing_wheel][model]") {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    timing_wheel wheel;
    model expected;
    std::deque<node> nodes;
    std::vector<int> idle;
    std::vector<std::uint64_t> used{0};  // deadlines to be used again
    std::uint64_t now = random() % (1'000 * tick);
    for (int step = 0; step < 4'000; ++step) {
      const auto what = random() % 10;
      if (what < 5) {
        if (idle.empty()) {
          idle.push_back(static_cast<int>(nodes.size()));
          nodes.emplace_back(idle.back());
        }
        const int n = idle.back();
        idle.pop_back();
        const std::uint64_t deadline = random() % 3 == 0
                                           ? used[random() % used.size()]
                                           : now + any_distance(random, 50) - now % 3;
        used.push_back(deadline);
        wheel.arm(nodes[static_cast<std::size_t>(n)], deadline);
        expected.arm(deadline, n);
      } else if (what < 7 && expected.size() != 0) {
        const int n = expected.any(random);
        wheel.remove(nodes[static_cast<std::size_t>(n)]);
        expected.remove(n);
        idle.push_back(n);
      } else {
        now += any_distance(random, 42);
        const numbers fired = due(wheel, now);
        REQUIRE(fired == expected.due(now));
        idle.insert(idle.end(), fired.begin(), fired.end());
      }
      REQUIRE(wheel.size() == expected.size());
      REQUIRE(wheel.empty() == (expected.size() == 0));
      REQUIRE(wheel.earliest() <= expected.earliest());
      if (wheel.empty()) REQUIRE(wheel.earliest() == timing_wheel::never);
    }
    REQUIRE(due(wheel, timing_wheel::never) == expected.due(timing_wheel::never));
    REQUIRE(wheel.empty());
  }
}

TEST_CASE("timing_wheel: going to earliest() again and again finds all",
          "[runtime][timing_wheel][model]") {
  // What the loop does: it sleeps until earliest(), which may be too soon after a removal.
  std::mt19937_64 random(7);
  timing_wheel wheel;
  model expected;
  std::deque<node> nodes;
  for (int i = 0; i < 2'000; ++i) {
    const std::uint64_t deadline = any_distance(random, 60);
    wheel.arm(nodes.emplace_back(i), deadline);
    expected.arm(deadline, i);
  }
  for (int i = 0; i < 2'000; i += 3) {
    wheel.remove(nodes[static_cast<std::size_t>(i)]);
    expected.remove(i);
  }
  std::uint64_t before = 0;
  int looks = 0;
  while (!wheel.empty()) {
    const std::uint64_t now = wheel.earliest();
    REQUIRE((looks == 0 || now >= before));
    REQUIRE(due(wheel, now) == expected.due(now));
    before = now;
    REQUIRE(++looks < 20'000);  // each look gets on
  }
  CHECK(expected.size() == 0);
}
