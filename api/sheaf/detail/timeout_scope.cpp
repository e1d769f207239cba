#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/detail/settled.hpp>
#include <sheaf/detail/timeout_scope.hpp>

#include <atomic>
#include <bit>
#include <string>

namespace sheaf::detail {

std::uint64_t ambient_deadline::nearest() const noexcept {
  std::uint64_t earliest = never;
  std::uint64_t word = word_;
  while ((word & tag) == 0) {
    const auto& s = *reinterpret_cast<const timeout_scope*>(word);
    earliest = std::min(earliest, s.when());
    word = s.outer().word_;
  }
  return word == no_scope ? earliest : std::min(earliest, word >> 1);
}

unsigned ambient_deadline::expired_scopes() const noexcept {
  unsigned n = 0;
  for (std::uint64_t word = word_; (word & tag) == 0;) {
    const auto& s = *reinterpret_cast<const timeout_scope*>(word);
    n += s.expired();
    word = s.outer().word_;
  }
  return n;
}

void timeout_scope::enter(task_state& t) noexcept {
  state_ = state::entered;
  task_ = &t;
  outer_ = t.ambient();
  place_ = t.innermost()->last_place();
  cancelling_ = static_cast<std::uint16_t>(t.cancelling());
  t.set_ambient(ambient_deadline(*this));
  t.loop().use_deadlines();
}

void timeout_scope::expire_after(std::int64_t ns) noexcept {
  when_ = task_->loop().after(ns);
  ns > 0 ? arm(when_) : queue();
}

void timeout_scope::expire_at(std::uint64_t ns) noexcept {
  disarm();
  when_ = ns;
  if (ns == never) return;
  ns > task_->loop().now() ? arm(ns) : queue();
}

void timeout_scope::arm(std::uint64_t ns) noexcept {
  retain();
  ++scheduled_;
  task_->loop().arm(*this, ns);
}

// asyncio's call_soon: it comes before a step that the task queues from here on, so that
// even a sleep(0) does not get through (TIMEOUT-5).
void timeout_scope::queue() noexcept {
  if (scheduled_ != 0) return;  // it is there already
  retain();
  ++scheduled_;
  task_->loop().post(*this);
}

void timeout_scope::disarm() noexcept {
  if (!armed()) return;
  task_->loop().disarm(*this);
  --scheduled_;
  release();
}

void timeout_scope::run() noexcept {
  --scheduled_;
  // It may have been left, or given more time, since it was queued.
  if (active() && !armed() && when_ <= task_->loop().now()) {
    state_ = state::expiring;
    task_->cancel(timeout_cause(*task_, place_));
  }
  release();
}

void timeout_scope::drop() noexcept {
  --scheduled_;
  release();
}

bool timeout_scope::leave() noexcept {
  if (state_ == state::created || left()) return false;
  disarm();
  task_->set_ambient(outer_);
  const bool expiring = state_ == state::expiring;
  state_ = expiring ? state::expired : state::exited;
  return expiring && task_->uncancel() <= cancelling_;
}

std::uint64_t timeout_scope::id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  if (id_ == 0) id_ = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return id_;
}

const char* timeout_scope::state_word() const noexcept {
  switch (state_) {
    case state::created:
      return "not entered";
    case state::entered:
      return "active";
    case state::expiring:
      return "expiring";
    case state::expired:
      return "expired";
    case state::exited:
      return "finished";
  }
  return "";
}

namespace {

std::string at_place(const char* what, place_pointer place) {
  const auto at = std::bit_cast<std::source_location>(place);
  if (at.line() == 0) return what;
  return std::string(what) + " at " + at.file_name() + ':' + std::to_string(at.line());
}

}  // namespace

void timeout_scope::throw_timeout(const char* what, const cancelled& c) {
  throw timeout_error(at_place(what, place_), c, id());
}

void timeout_scope::throw_on(const char* what, std::exception_ptr e, bool own) {
  if (own) {
    if (const cancelled* const c = thrown<cancelled>(e)) throw_timeout(what, *c);
  }
  std::rethrow_exception(std::move(e));
}

cancel_ref timeout_cause(const task_state& t, place_pointer at) {
  return make_cause(cancel_why::timeout, &t, std::bit_cast<std::source_location>(at));
}

void throw_refused(const char* what, task_state& t, place_pointer at) {
  t.throw_if_interrupted();
  throw timeout_error(at_place(what, at), cancelled(timeout_cause(t, at)), 0);
}

}  // namespace sheaf::detail
