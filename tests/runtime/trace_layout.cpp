#include <sheaf/runtime/detail/trace_layout.hpp>

#include <random>
#include <utility>
#include <vector>

#include "support/catch.hpp"

using namespace sheaf::runtime;
using sheaf::runtime::detail::trace_layout;

namespace {

using index = trace_layout::index;

// Follows a layout as a reader would: edges in order, slices as a stack, arrows to steps.
class follower {
 public:
  explicit follower(const trace_layout& layout) : layout_(layout) {}

  void open(index i) {
    advance(layout_.open_ns(i));
    open_.push_back(i);
    REQUIRE(layout_.at_ns(i) >= layout_.open_ns(i) + 2);  // room for the head of an arrow
    if (layout_.arrow(i) != trace_layout::none) arrow(layout_.arrow(i), i);
  }
  void close(index i) {
    advance(layout_.at_ns(i));
    REQUIRE(open_.back() == i);
    open_.pop_back();
  }
  void point(index i) {
    advance(layout_.at_ns(i));
    if (layout_.arrow(i) != trace_layout::none) REQUIRE_FALSE(open_.empty());
  }
  void end() {
    REQUIRE(open_.empty());
    REQUIRE(layout_.end_ns() > last_);
  }

 private:
  void advance(std::uint64_t ns) {
    REQUIRE(ns > last_);
    last_ = ns;
  }
  void arrow(index from, index to) {
    REQUIRE(layout_.arrow(from) == to);
    REQUIRE(layout_.at_ns(from) < layout_.open_ns(to));
    REQUIRE(layout_.record(from).task == layout_.record(to).task);
  }

  const trace_layout& layout_;
  std::vector<index> open_;
  std::uint64_t last_ = 0;
};

// A loop that does what a generator says, on a clock that moves by up to `tick` ns a
// look.
class random_loop {
 public:
  random_loop(trace_recorder& recorder, unsigned seed, unsigned tick)
      : recorder_(recorder), random_(seed), tick_(tick) {}

  void turn() {
    const auto begin = now();
    for (auto n = below(4); n > 0; --n) callback();
    if (below(2) == 0) {
      const auto slept = now();
      time_ += below(1000);
      const auto woken = time_;
      if (below(2) == 0) callback();
      recorder_.poll(slept, woken, 1);
    }
    for (auto n = below(5); n > 0; --n) step();
    recorder_.iteration(begin, now());
  }

 private:
  unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }
  std::uint64_t now() { return time_ += tick_ == 0 ? 0 : below(tick_); }

  void callback() {
    const auto begin = now();
    if (below(2) == 0) recorder_.timer_fire(now(), 1, 0);
    recorder_.task_woken(now(), {1 + below(5), 0}, 0);
    recorder_.callback(begin, now(), "read");
  }

  void step() {
    const std::uint64_t task = 1 + below(5);
    const auto begin = now();
    for (auto n = below(3); n > 0; --n)
      recorder_.task_woken(now(), {1 + below(5), 0}, task);
    if (below(4) == 0) recorder_.cancel_requested(now(), {1 + below(5), 0}, task, "", {});
    recorder_.task_waits(now(), task, "future", 0, {});
    recorder_.step(begin, now(), {task, 0}, 1);
  }

  trace_recorder& recorder_;
  std::mt19937 random_;
  unsigned tick_;
  std::uint64_t time_ = 1000;
};

void follow(const trace_recorder& recorder) {
  const trace_layout layout(recorder);
  follower reader(layout);
  layout.visit(reader);
  reader.end();
}

}  // namespace

TEST_CASE("trace layout: every edge has a time of its own and slices nest",
          "[runtime][trace_layout]") {
  for (const unsigned tick :
       {0U, 2U, 300U}) {  // a virtual clock, a coarse one, a fine one
    for (unsigned seed = 0; seed < 60; ++seed) {
      CAPTURE(tick, seed);
      trace_recorder recorder;
      random_loop loop(recorder, seed, tick);
      for (int i = 0; i < 30; ++i) loop.turn();
      follow(recorder);
    }
  }
}

TEST_CASE("trace layout: a ring may begin anywhere", "[runtime][trace_layout]") {
  for (std::size_t records = 1; records < 60; ++records) {
    CAPTURE(records);
    trace_recorder recorder(trace_limits::flight(records * sizeof(trace_record)));
    random_loop loop(recorder, 7, 300);
    for (int i = 0; i < 30; ++i) loop.turn();
    REQUIRE(recorder.dropped() > 0);
    follow(recorder);
  }
}

TEST_CASE("trace layout: times that go back are pushed forward",
          "[runtime][trace_layout]") {
  trace_recorder recorder;
  recorder.step(500, 100, {1, 0}, 1);
  recorder.step(50, 80, {2, 0}, 1);
  recorder.iteration(400, 60);
  recorder.mark(10, 0, "late");
  follow(recorder);
}
