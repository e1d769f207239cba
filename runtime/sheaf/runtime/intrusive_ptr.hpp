#pragma once

#include <utility>

namespace sheaf::runtime {

/// A counted reference to an object with retain() and release(): one pointer, no block of
/// its own. The count is the object's business; of the loop's objects it is not atomic.
template <class T>
class intrusive_ptr {
 public:
  intrusive_ptr() = default;

  /// Takes over a reference that the caller holds.
  static intrusive_ptr adopt(T* p) noexcept {
    intrusive_ptr r;
    r.p_ = p;
    return r;
  }
  /// Adds a reference.
  static intrusive_ptr share(T* p) noexcept {
    if (p) p->retain();
    return adopt(p);
  }

  intrusive_ptr(const intrusive_ptr& other) noexcept : p_(other.p_) {
    if (p_) p_->retain();
  }
  intrusive_ptr(intrusive_ptr&& other) noexcept : p_(std::exchange(other.p_, nullptr)) {}
  intrusive_ptr& operator=(intrusive_ptr other) noexcept {
    std::swap(p_, other.p_);
    return *this;
  }
  ~intrusive_ptr() {
    if (p_) p_->release();
  }

  T* get() const noexcept { return p_; }
  T& operator*() const noexcept { return *p_; }
  T* operator->() const noexcept { return p_; }
  explicit operator bool() const noexcept { return p_ != nullptr; }
  /// Gives the reference to the caller.
  T* detach() noexcept { return std::exchange(p_, nullptr); }

  friend bool operator==(const intrusive_ptr&, const intrusive_ptr&) = default;

 private:
  T* p_ = nullptr;
};

}  // namespace sheaf::runtime
