#include <sheaf/detail/watch_core.hpp>
#include <sheaf/runtime/error.hpp>

#include <utility>

namespace sheaf::detail {

namespace {

template <class Core>
auto next_of(std::shared_ptr<Core> w, const char* what) -> coro<decltype(w->take())> {
  while (!w->ready()) co_await arrival_wait(what, *w);
  co_return w->take();
}

// A handle keeps the loop running only while a task waits for it.
template <class Handle>
void weigh(std::optional<Handle>& h, bool on) noexcept {
  if (h) on ? h->ref() : h->unref();
}

}  // namespace

watch_core::watch_core(runtime::loop& l, const std::string& path) : path_(path) {
  handle_.emplace(l, [this](const runtime::fs_event::event& e, std::error_code error) {
    on_event(e, error);
  });
  handle_->start(path);
  handle_->unref();
}

void watch_core::close() noexcept {
  handle_.reset();
  arrived();
}

bool watch_core::ready() const noexcept {
  return changes_.size() != 0 || error_ || !handle_;
}

void watch_core::attend(bool on) { weigh(handle_, on); }

void watch_core::on_event(const runtime::fs_event::event& e, std::error_code error) {
  error ? static_cast<void>(error_ = error) : note(e);
  arrived();
}

// The same again is told once; the last place is kept for "and more".
void watch_core::note(const runtime::fs_event::event& e) {
  if (changes_.size() != 0) {
    fs::change& last = changes_.back();
    if (last.lost) return;
    if (last.name == e.name) {
      last.renamed |= e.renamed;
      last.changed |= e.changed;
      return;
    }
  }
  if (changes_.size() + 1 < most) {
    changes_.push_back(fs::change{std::string(e.name), e.renamed, e.changed, false});
  } else {
    changes_.push_back(fs::change{{}, true, true, true});
  }
}

std::optional<fs::change> watch_core::take() {
  if (!handle_) return std::nullopt;
  if (changes_.size() == 0) {
    throw uv_error(std::exchange(error_, {}).value(), "fs::watch", path_);
  }
  std::optional<fs::change> first(std::move(changes_.front()));
  changes_.pop_front();
  return first;
}

poll_core::poll_core(runtime::loop& l, const std::string& path,
                     std::chrono::nanoseconds every)
    : path_(path) {
  handle_.emplace(l, [this](const runtime::file_status& before,
                            const runtime::file_status& now, std::error_code error) {
    error_ = error;
    if (error) {
      change_.reset();
    } else {
      change_ = fs::poll_change{change_ ? change_->before : before, now};
    }
    arrived();
  });
  handle_->start(path, every);
  handle_->unref();
}

void poll_core::close() noexcept {
  handle_.reset();
  arrived();
}

void poll_core::attend(bool on) { weigh(handle_, on); }

std::optional<fs::poll_change> poll_core::take() {
  if (!handle_) return std::nullopt;
  if (error_) {
    throw uv_error(std::exchange(error_, {}).value(), "fs::poll_watch", path_);
  }
  return std::exchange(change_, std::nullopt);
}

coro<std::optional<fs::change>> next_change(std::shared_ptr<watch_core> w) {
  return next_of(std::move(w), "fs::watcher::next");
}

coro<std::optional<fs::poll_change>> next_change(std::shared_ptr<poll_core> w) {
  return next_of(std::move(w), "fs::poll_watcher::next");
}

}  // namespace sheaf::detail
