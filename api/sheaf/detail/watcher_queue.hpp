#pragma once

#include <sheaf/detail/future_state.hpp>

#include <utility>

namespace sheaf::detail {

/// Watchers whose futures have settled, first in, first out: a list through the `next` that
/// they do not use any more. Owns nothing, allocates nothing.
class watcher_queue {
 public:
  bool empty() const noexcept { return !first_; }
  watcher* first() const noexcept { return first_; }

  void push_back(watcher& w) noexcept {
    w.next = nullptr;
    (last_ ? last_->next : first_) = &w;
    last_ = &w;
  }
  void push_front(watcher& w) noexcept {
    w.next = first_;
    first_ = &w;
    if (!last_) last_ = &w;
  }
  watcher& pop_front() noexcept {
    watcher& w = *first_;
    first_ = w.next;
    if (!first_) last_ = nullptr;
    return w;
  }
  /// Appends what is in `other`, and empties it.
  void take_all(watcher_queue& other) noexcept {
    if (other.empty()) return;
    (last_ ? last_->next : first_) = other.first_;
    last_ = other.last_;
    other.first_ = other.last_ = nullptr;
  }

 private:
  watcher* first_ = nullptr;
  watcher* last_ = nullptr;
};

}  // namespace sheaf::detail
