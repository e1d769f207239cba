#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

namespace sheaf::detail {

/// A row of values that grows and never shrinks, taken from at either end. Empty it has no
/// memory; from its greatest length on it allocates nothing.
template <class T>
class ring {
 public:
  ring() = default;
  ring(ring&& other) noexcept { swap(other); }
  ring& operator=(ring&& other) noexcept {
    swap(other);
    return *this;
  }
  ~ring() {
    clear();
    if (room_) std::allocator<T>().deallocate(slots_, room_);
  }

  std::size_t size() const noexcept { return size_; }
  T& front() noexcept { return at(0); }
  T& back() noexcept { return at(size_ - 1); }

  template <class... Args>
  void push_back(Args&&... args) {
    if (size_ == room_) [[unlikely]]
      return grow(std::forward<Args>(args)...);
    std::construct_at(&at(size_), std::forward<Args>(args)...);
    ++size_;
  }
  void pop_front() noexcept {
    std::destroy_at(&front());
    first_ = (first_ + 1) & (room_ - 1);
    --size_;
  }
  void pop_back() noexcept {
    std::destroy_at(&back());
    --size_;
  }
  ring take_all() noexcept { return std::move(*this); }
  void clear() noexcept {
    while (size_ != 0) pop_back();
  }

 private:
  T& at(std::size_t i) noexcept { return slots_[(first_ + i) & (room_ - 1)]; }

  // The new one first: the arguments may refer to what is in the row. If a copy throws, the
  // row is as it was.
  template <class... Args>
  [[gnu::noinline]] void grow(Args&&... args) {
    ring larger;
    larger.reserve(std::max<std::size_t>(2 * room_, 8));
    std::construct_at(larger.slots_ + size_, std::forward<Args>(args)...);
    try {
      for (; larger.size_ != size_; ++larger.size_) {
        std::construct_at(larger.slots_ + larger.size_,
                          std::move_if_noexcept(at(larger.size_)));
      }
    } catch (...) {
      std::destroy_at(larger.slots_ + size_);
      throw;
    }
    ++larger.size_;
    swap(larger);
  }
  void swap(ring& other) noexcept {
    std::swap(slots_, other.slots_);
    std::swap(room_, other.room_);
    std::swap(first_, other.first_);
    std::swap(size_, other.size_);
  }
  void reserve(std::size_t room) {
    slots_ = std::allocator<T>().allocate(room);
    room_ = room;
  }

  T* slots_ = nullptr;
  std::size_t room_ = 0;  // a power of two
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace sheaf::detail
