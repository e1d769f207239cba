#pragma once

#include <cstddef>

namespace sheaf::detail {

/// Stands in at most one circle of Ts; a link that is no T is the circle's end, and the list.
/// Never allocates; whoever dies takes itself out first.
template <class T>
class ring_link {
 public:
  ring_link() = default;
  ring_link(const ring_link&) = delete;
  ring_link& operator=(const ring_link&) = delete;

  /// As the last one.
  void enter(ring_link& list) noexcept {
    prev_ = list.prev_;
    next_ = &list;
    list.prev_->next_ = this;
    list.prev_ = this;
  }
  /// Without effect on one that is in none.
  void unlink() noexcept {
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = this;
  }
  /// Of a list; null if it is empty.
  T* first() const noexcept { return next_ == this ? nullptr : static_cast<T*>(next_); }
  /// Of a list: counted.
  std::size_t size() const noexcept {
    std::size_t n = 0;
    for (const ring_link* l = next_; l != this; l = l->next_) ++n;
    return n;
  }

 private:
  ring_link* prev_ = this;
  ring_link* next_ = this;
};

}  // namespace sheaf::detail
