#pragma once

namespace sheaf::runtime {

class scheduler;

namespace detail {

/// A libuv handle of ours in its loop's list, so that the loop can close it.
class handle_link {
 public:
  virtual void close() noexcept = 0;

 protected:
  handle_link() = default;
  ~handle_link() = default;
  void unlink() noexcept {
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = this;
  }

 private:
  friend class runtime::scheduler;
  handle_link* prev_ = this;
  handle_link* next_ = this;
};

/// The end of such a list.
class handle_list final : public handle_link {
 public:
  void close() noexcept override {}
};

}  // namespace detail
}  // namespace sheaf::runtime
