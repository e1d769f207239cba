#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/loop_core.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/trace_hooks.hpp>

#include <string>

namespace sheaf::detail {

void future_state::destroy() noexcept {
  if (failed() && !retrieved_) report_unretrieved();
  delete this;
}

// Only callbacks can be left: whoever else watches holds a reference.
void future_state::forsake_watchers() noexcept {
  while (watcher* const w = watchers_) {
    unwatch(*w);
    w->who->forsaken(*w);
  }
}

// A loop, since joins may be nested as deep as memory goes; one that is in itself has no end.
std::source_location future_state::awaited_at() const noexcept {
  constexpr int furthest = 1000;
  const future_state* f = this;
  for (int far = 0; f && far < furthest; ++far) {
    const watcher* const first = f->watchers_;
    f = nullptr;
    for (const watcher* w = first; w; w = w->next == first ? nullptr : w->next) {
      const auto at = w->who->awaits_at();
      if (at.line() != 0) return at;
      if (!f) f = w->who->settles();
    }
  }
  return {};
}

std::string future_state::watchers_name() const {
  const watcher* w = watchers_;
  if (!w) return {};
  do {
    std::string name = w->who->task_name();
    if (!name.empty()) return name;
    w = w->next;
  } while (w != watchers_);
  return {};
}

watcher* future_state::find_callback(std::uint64_t id) noexcept {
  watcher* w = watchers_;
  if (!w || id == 0) return nullptr;
  do {
    if (w->who->callback_id() == id) return w;
    w = w->next;
  } while (w != watchers_);
  return nullptr;
}

exception_context future_state::describe_unretrieved() const {
  exception_context what{.message = "the exception of a future was never retrieved",
                         .exception = error_};
  // Of what is not a promise's the notes know nothing, or what was in its place before.
  if (kind() == future_state::kind()) what.created_at = loop().notes().made_at(this);
  return what;
}

// A cancellation is nobody's error, even where it is stored as one (CANCEL-21, GATHER-11).
void future_state::report_unretrieved() noexcept {
  if (thrown<cancelled>(error_)) return;
  const exception_context what = describe_unretrieved();
  if (auto* const t = runtime::tracing(loop())) {
    t->unretrieved(loop().now(), {what.task_id}, describe(error_));
  }
  loop().report(what);
  if (loop().terminate_on_unretrieved) std::terminate();
}

// Its reader has been told that it was cancelled. Debug mode looks whether it heeds that.
void future_state::note_told(const cancel_ref& cause) const noexcept {
  if (!loop().debug()) return;
  task_state* const reader = loop().current_task();
  if (reader && reader->cause() == cause) reader->note_told();
}

bool future_state::cancel(const cancel_ref& cause) noexcept {
  if (done()) {
    retrieved_ = true;
    return false;
  }
  settle_cancelled(cause);
  return true;
}

// The list is detached by now, and no observer registers or removes another from here, so
// each is told exactly once (FUT-6, FUT-7).
void future_state::notify(loop_core& l, watcher* w) noexcept {
  l.hold_drops();
  watcher* const last = w->prev;
  for (bool more = true; more;) {
    watcher* const next = w->next;
    more = w != last;
    w->prev = nullptr;
    w->who->settled(*w);
    w = next;
  }
  l.let_drop();
}

void future_state::settle_like(const future_state& from) noexcept {
  if (from.status_ == future_status::cancelled) return settle_cancelled(from.cause_);
  settle_error(from.error_);
}

void future_state::require_pending(const char* what) const {
  loop().require_thread(what);
  if (done()) throw invalid_state(std::string(what) + ": the future is done already");
}

void future_state::note_read() const noexcept {
  if (status_ == future_status::cancelled) return note_told(cause_);
  if (const cancelled* const c = thrown<cancelled>(error_)) note_told(c->cause());
}

void future_state::throw_no_value() const {
  throw invalid_state(done() ? "the result was moved out by an earlier co_await"
                             : "the future is not done: co_await it before you read its "
                               "result");
}

std::exception_ptr future_state::exception() {
  retrieved_ = true;
  if (status_ == future_status::pending) {
    throw invalid_state(
        "the future is not done: co_await it before you read its exception");
  }
  if (status_ == future_status::cancelled) {
    note_told(cause_);
    throw cancelled(cause_);
  }
  return error_;
}

}  // namespace sheaf::detail
