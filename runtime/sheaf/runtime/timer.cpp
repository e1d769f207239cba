#include <sheaf/runtime/detail/handle_block.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/timer.hpp>

#include <algorithm>
#include <cstdint>

namespace sheaf::runtime {

namespace {

constexpr std::uint64_t ms = 1'000'000;

class timer_block final : public detail::handle_block {
 public:
  timer_block(scheduler& s, unique_function<void()> f)
      : handle_block(s, "timer"), f_(detail::callable(std::move(f), "timer")) {
    opened(uv_timer_init(s.uv(), &uv), "uv_timer_init");
  }

  static void on_fire(uv_timer_t* h) {
    auto& self = of<timer_block>(h);
    self.call("timer callback", [&self] { self.f_(); });
  }

  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv); }

  uv_timer_t uv;

 private:
  void silence() noexcept override { f_.reset(); }

  unique_function<void()> f_;
};

timer_block& as_timer(detail::handle_block& b) noexcept {
  return static_cast<timer_block&>(b);
}

std::uint64_t nanoseconds(timer::duration d) noexcept {
  return static_cast<std::uint64_t>(std::max(d, timer::duration::zero()).count());
}

std::uint64_t round_up(std::uint64_t ns) noexcept { return ns / ms + (ns % ms != 0); }

}  // namespace

timer::timer(loop& owner, unique_function<void()> on_fire)
    : handle(new timer_block(owner.core(), std::move(on_fire))) {}

void timer::start(duration delay, duration repeat) {
  scheduler& s = block().owner("timer::start");
  // libuv adds the delay to the time it took when the turn began, which may be long ago. The
  // deadline is taken from the clock instead, and the host's cached time is left alone.
  const std::uint64_t due = round_up(uv_hrtime() + nanoseconds(delay));
  const std::uint64_t base = uv_now(s.uv());
  checked(uv_timer_start(&as_timer(block()).uv, timer_block::on_fire,
                         due > base && nanoseconds(delay) > 0 ? due - base : 0,
                         round_up(nanoseconds(repeat))),
          "uv_timer_start");
}

void timer::stop() noexcept {
  if (block().open()) uv_timer_stop(&as_timer(block()).uv);
}

void timer::again() {
  static_cast<void>(block().owner("timer::again"));
  checked(uv_timer_again(&as_timer(block()).uv), "uv_timer_again");
}

timer::duration timer::repeat() const noexcept {
  if (!block().open()) return {};
  return std::chrono::milliseconds(uv_timer_get_repeat(&as_timer(block()).uv));
}

void timer::set_repeat(duration repeat) noexcept {
  if (block().open()) {
    uv_timer_set_repeat(&as_timer(block()).uv, round_up(nanoseconds(repeat)));
  }
}

timer::duration timer::due_in() const noexcept {
  if (!active()) return {};
  const uv_timer_t& uv = as_timer(block()).uv;
  const std::uint64_t due = (uv_now(uv.loop) + uv_timer_get_due_in(&uv)) * ms;
  const std::uint64_t now = uv_hrtime();
  return duration(due > now ? static_cast<std::int64_t>(due - now) : 0);
}

}  // namespace sheaf::runtime
