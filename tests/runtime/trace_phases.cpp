#include <sheaf/runtime/trace_phases.hpp>

#include <sheaf/runtime/trace.hpp>

#include <uv.h>

#include <memory>
#include <optional>

#include "support/catch.hpp"

using namespace sheaf::runtime;

namespace {

// A loop of libuv's own, with a timer that needs no time to speak of.
class fixture {
 public:
  explicit fixture(bool metrics) {
    REQUIRE(uv_loop_init(&loop_) == 0);
    if (metrics) REQUIRE(uv_loop_configure(&loop_, UV_METRICS_IDLE_TIME) == 0);
    uv_timer_init(&loop_, &timer_);
    timer_.data = this;
  }
  ~fixture() {
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop_) == 0);
  }

  // Turns the loop until a timer of 2 ms has fired `times` times.
  void run_timer(int times) {
    left_ = times;
    const auto fire = [](uv_timer_t* timer) {
      auto& self = *static_cast<fixture*>(timer->data);
      const auto begin = uv_hrtime();
      if (--self.left_ == 0) uv_timer_stop(timer);
      if (self.recorder) self.recorder->callback(begin, uv_hrtime(), "timer");
    };
    uv_timer_start(&timer_, fire, 2, 2);
    uv_run(&loop_, UV_RUN_DEFAULT);
  }

  uv_loop_t* loop() { return &loop_; }
  trace_recorder* recorder = nullptr;

 private:
  uv_loop_t loop_;
  uv_timer_t timer_;
  int left_ = 0;
};

const trace_clock real{[](const void*) { return uv_hrtime(); }};

std::size_t count(const trace_recorder& recorder, trace_kind kind) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < recorder.size(); ++i) found += recorder[i].kind == kind;
  return found;
}

}  // namespace

TEST_CASE("trace phases: polls and iterations take turns and do not overlap",
          "[runtime][trace_phases]") {
  for (const bool owned : {true, false}) {
    fixture host(owned);
    trace_recorder recorder;
    {
      const trace_phases phases(
          host.loop(), recorder, real,
          owned ? poll_span::idle_time : poll_span::prepare_to_check);
      host.run_timer(5);
    }
    CHECK(count(recorder, trace_kind::poll) >= 1);  // a late timer fires without a wait
    CHECK(count(recorder, trace_kind::iteration) >= 5);
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < recorder.size(); ++i) {
      CHECK(recorder[i].at_ns >= last);
      CHECK(recorder[i].a >= recorder[i].at_ns);
      last = recorder[i].a;
    }
  }
}

TEST_CASE("trace phases: a callback lies in an iteration, not in the poll",
          "[runtime][trace_phases]") {
  fixture host(true);
  trace_recorder recorder;
  host.recorder = &recorder;
  {
    const trace_phases phases(host.loop(), recorder, real, poll_span::idle_time);
    host.run_timer(3);
  }
  std::size_t counted = 0;
  for (std::size_t i = 0; i < recorder.size(); ++i) {
    if (recorder[i].kind != trace_kind::callback) continue;
    for (std::size_t j = 0; j < recorder.size(); ++j) {
      const auto& turn = recorder[j];
      if (turn.at_ns > recorder[i].at_ns || turn.a < recorder[i].a || i == j) continue;
      CHECK(turn.kind == trace_kind::iteration);
      counted += turn.b;
    }
  }
  CHECK(counted == 3);
}

TEST_CASE("trace phases: they keep no loop alive", "[runtime][trace_phases]") {
  fixture host(false);
  trace_recorder recorder;
  const trace_phases phases(host.loop(), recorder, real, poll_span::prepare_to_check);
  CHECK(uv_loop_alive(host.loop()) == 0);
  CHECK(uv_run(host.loop(), UV_RUN_DEFAULT) == 0);
}

TEST_CASE("trace phases: nothing is recorded after the destructor",
          "[runtime][trace_phases]") {
  fixture host(false);
  trace_recorder recorder;
  std::optional<trace_phases> phases;
  phases.emplace(host.loop(), recorder, real, poll_span::prepare_to_check);
  host.run_timer(1);
  phases.reset();
  const auto size = recorder.size();
  host.run_timer(2);
  CHECK(recorder.size() == size);
}

TEST_CASE("trace phases: the recorder may die right after them",
          "[runtime][trace_phases]") {
  fixture host(false);
  auto recorder = std::make_unique<trace_recorder>();
  {
    const trace_phases phases(host.loop(), *recorder, real, poll_span::prepare_to_check);
    host.run_timer(1);
  }
  recorder.reset();
  host.run_timer(1);  // closes the handles
}

TEST_CASE("trace phases: a clock that stands still gives no empty slices",
          "[runtime][trace_phases]") {
  fixture host(false);
  trace_recorder recorder;
  {
    const trace_clock still{[](const void*) { return std::uint64_t{42}; }};
    const trace_phases phases(host.loop(), recorder, still, poll_span::prepare_to_check);
    host.run_timer(3);
  }
  CHECK(recorder.size() == 0);
}
