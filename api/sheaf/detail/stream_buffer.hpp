#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sheaf::detail {

/// Bytes that have come and were not read yet: appended at the end, taken from the front.
///
/// Taking moves nothing until half of it is gone, so that many small reads of one large
/// piece cost their own length. Empty it keeps no large memory: a connection at rest is small.
class stream_buffer {
 public:
  std::size_t size() const noexcept { return bytes_.size() - taken_; }
  bool empty() const noexcept { return size() == 0; }
  std::string_view view() const noexcept {
    return std::string_view(bytes_).substr(taken_);
  }

  void append(std::string_view more) { bytes_.append(more); }
  /// Bytes that were handed out and are given back.
  void prepend(std::string_view before) { bytes_.replace(0, taken_, before), taken_ = 0; }

  std::string take(std::size_t n) {
    if (n == bytes_.size() && taken_ == 0) return take_all();
    std::string front(view().substr(0, n));
    drop(n);
    return front;
  }

  void drop(std::size_t n) noexcept {
    taken_ += n;
    if (taken_ == bytes_.size()) return clear();
    if (taken_ * 2 < bytes_.size()) return;
    bytes_.erase(0, taken_);
    taken_ = 0;
  }

  void clear() noexcept {
    taken_ = 0;
    if (bytes_.capacity() > kept) {
      bytes_ = std::string();
    } else {
      bytes_.clear();
    }
  }

 private:
  static constexpr std::size_t kept = 512;

  std::string take_all() {
    std::string all;
    all.swap(bytes_);
    return all;
  }

  std::string bytes_;
  std::size_t taken_ = 0;
};

}  // namespace sheaf::detail
