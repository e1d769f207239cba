#pragma once

namespace sheaf::detail {

/// Something that a loop waits for and that another loop is to answer, in the list of those
/// under way; the loop's end leaves them all.
class flight {
 public:
  flight(const flight&) = delete;
  flight& operator=(const flight&) = delete;

  /// The loop is closed: nobody will hear the answer. Takes itself out of the list.
  virtual void leave() noexcept {}

  void enter(flight& list) noexcept {
    prev_ = list.prev_;
    next_ = &list;
    list.prev_->next_ = this;
    list.prev_ = this;
  }
  void unlink() noexcept {
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = this;
  }
  flight* first() const noexcept { return next_ == this ? nullptr : next_; }

 protected:
  flight() = default;
  ~flight() = default;

 private:
  friend class loop_core;
  flight* prev_ = this;
  flight* next_ = this;
};

}  // namespace sheaf::detail
