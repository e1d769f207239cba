#include <sheaf/runtime/detail/descriptor_watch.hpp>

namespace sheaf::runtime::detail {

// ---- ready_callback --------------------------------------------------------------------

void ready_callback::queue() noexcept {
  if (queued_) return;  // a system_exit has kept it from its turn
  queued_ = true;
  retain();
  owner_.post(*this);
}

void ready_callback::run() noexcept {
  queued_ = false;
  if (!cancelled_) {
    const trace_callback slice(owner_, name_);
    running_ = true;
    try {
      f_();
    } catch (...) {
      owner_.fail(name_, std::current_exception());
    }
    running_ = false;
    if (cancelled_) f_.reset();
  }
  release();
}

void ready_callback::drop() noexcept {
  queued_ = false;
  release();
}

void ready_callback::cancel() noexcept {
  cancelled_ = true;
  if (!running_) f_.reset();
}

// ---- descriptor_watch ------------------------------------------------------------------

descriptor_watch::descriptor_watch(scheduler& s, int descriptor)
    : handle_block(s, "add_reader") {
  opened(uv_poll_init(s.uv(), &uv_, descriptor), "uv_poll_init");
}

void descriptor_watch::set(side which, unique_function<void()> f) {
  static constexpr const char* names[] = {"reader callback", "writer callback"};
  const auto before = std::exchange(
      callbacks_[which], intrusive_ptr<ready_callback>::adopt(new ready_callback(
                             owner("add_reader"), names[which], std::move(f))));
  checked(update(), "uv_poll_start");
  if (before) before->cancel();
}

bool descriptor_watch::remove(side which) noexcept {
  const auto gone = std::exchange(callbacks_[which], {});
  if (!gone) return false;
  update();
  gone->cancel();
  return true;
}

int descriptor_watch::update() noexcept {
  if (!open()) return 0;
  const int events =
      (callbacks_[reader] ? UV_READABLE : 0) | (callbacks_[writer] ? UV_WRITABLE : 0);
  return uv_poll_start(&uv_, events, on_ready);
}

void descriptor_watch::on_ready(uv_poll_t* h, int status, int events) {
  auto& self = of<descriptor_watch>(h);
  // An error concerns both: they will meet it in their read or write. libuv has stopped the
  // handle then, but a descriptor stays watched until it is removed, as asyncio's does.
  if (status < 0) self.update();
  const auto tell = [&](side which, int event) {
    if (self.callbacks_[which] && (status < 0 || (events & event) != 0)) {
      self.callbacks_[which]->queue();
    }
  };
  tell(reader, UV_READABLE);
  tell(writer, UV_WRITABLE);
}

void descriptor_watch::silence() noexcept {
  for (auto& c : callbacks_) {
    if (const auto gone = std::exchange(c, {})) gone->cancel();
  }
}

// ---- descriptor_table ------------------------------------------------------------------

void descriptor_table::add(int descriptor, descriptor_watch::side which,
                           unique_function<void()> f) {
  scheduler_.require_open(which == descriptor_watch::reader ? "add_reader"
                                                            : "add_writer");
  f = callable(std::move(f), "add_reader, add_writer");
  auto found = watches_.find(descriptor);
  if (found == watches_.end()) {
    watch fresh(new descriptor_watch(scheduler_, descriptor));
    found = watches_.emplace(descriptor, std::move(fresh)).first;
  }
  found->second->set(which, std::move(f));
}

bool descriptor_table::remove(int descriptor, descriptor_watch::side which) noexcept {
  const auto found = watches_.find(descriptor);
  if (found == watches_.end() || !found->second->open()) return false;
  // Taken out first when it is the last: destroying a callback may add another.
  descriptor_watch& w = *found->second;
  const bool there_was = w.remove(which);
  const auto again = watches_.find(descriptor);
  if (again != watches_.end() && again->second.get() == &w && w.unused()) {
    watches_.erase(again);
  }
  return there_was;
}

}  // namespace sheaf::runtime::detail
