#include <sheaf/runtime/trace_phases.hpp>

#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/trace.hpp>

#include <algorithm>

namespace sheaf::runtime {

struct trace_phases::block {
  uv_prepare_t prepare{};
  uv_check_t check{};
  int handles = 2;  // not yet closed; the last one deletes the block
  trace_recorder& recorder;
  trace_clock clock;
  poll_span span;
  std::uint64_t turn_begin;  // of the open iteration
  std::uint64_t poll_begin = 0;
  std::uint64_t idle_begin = 0;
  int timeout_ms = 0;

  block(trace_recorder& to, trace_clock time, poll_span kind)
      : recorder(to), clock(time), span(kind), turn_begin(now()) {}

  std::uint64_t now() const { return clock.read(clock.context); }
  // A virtual clock jumps between two runs of the loop, which is recorded as a poll.
  void close_turn(std::uint64_t end) {
    recorder.iteration(std::max(turn_begin, recorder.awake_since()), end);
    turn_begin = end;
  }

  void before_poll(uv_loop_t* loop) {
    poll_begin = now();
    close_turn(poll_begin);
    idle_begin = uv_metrics_idle_time(loop);
    timeout_ms = uv_backend_timeout(loop);
  }

  void after_poll(uv_loop_t* loop) {
    // idle_time also grows while the loop waits again after an early wake-up, never by
    // more than what has passed since prepare.
    turn_begin = span == poll_span::idle_time
                     ? poll_begin + (uv_metrics_idle_time(loop) - idle_begin)
                     : now();
    if (turn_begin > poll_begin) recorder.poll(poll_begin, turn_begin, timeout_ms);
  }
};

trace_phases::trace_phases(uv_loop_s* loop, trace_recorder& recorder, trace_clock clock,
                           poll_span span)
    : block_(new block(recorder, clock, span)) {
  // Neither init nor start of these two can fail.
  uv_prepare_init(loop, &block_->prepare);
  uv_check_init(loop, &block_->check);
  block_->prepare.data = block_->check.data = block_;
  uv_prepare_start(&block_->prepare, [](uv_prepare_t* handle) {
    static_cast<block*>(handle->data)->before_poll(handle->loop);
  });
  uv_check_start(&block_->check, [](uv_check_t* handle) {
    static_cast<block*>(handle->data)->after_poll(handle->loop);
  });
  uv_unref(reinterpret_cast<uv_handle_t*>(&block_->prepare));
  uv_unref(reinterpret_cast<uv_handle_t*>(&block_->check));
}

trace_phases::~trace_phases() {
  block_->close_turn(block_->now());
  const auto closed = [](uv_handle_t* handle) {
    auto* owner = static_cast<block*>(handle->data);
    if (--owner->handles == 0) delete owner;
  };
  uv_close(reinterpret_cast<uv_handle_t*>(&block_->prepare), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&block_->check), closed);
}

}  // namespace sheaf::runtime
