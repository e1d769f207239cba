#pragma once

#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/exception_context.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>

#include <atomic>
#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>

namespace sheaf {

namespace detail {

/// Why something was cancelled; shared by the request and all the errors it becomes.
class cancel_cause {
 public:
  cancel_cause(std::string text, std::uint64_t by, std::source_location at)
      : text_(std::move(text)), by_(by), at_(at) {}

  const std::string& text() const noexcept { return text_; }
  std::uint64_t by() const noexcept { return by_; }
  std::source_location at() const noexcept { return at_; }

  // Atomic: an exception may be carried to another thread.
  void retain() const noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() const noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  const std::string text_;
  const std::uint64_t by_;
  const std::source_location at_;
  mutable std::atomic<std::uint32_t> references_{1};
};

using cancel_ref = runtime::intrusive_ptr<const cancel_cause>;

}  // namespace detail

/// Thrown at the await where a task is cancelled: asyncio's CancelledError.
///
/// Not a std::exception, so `catch (const std::exception&)` lets it pass. Whoever catches it
/// cleans up and throws it on; swallowing it makes the task go on as if nothing had been.
class cancelled final {
 public:
  cancelled() = default;
  explicit cancelled(detail::cancel_ref cause) noexcept : cause_(std::move(cause)) {}
  explicit cancelled(std::string reason,
                     std::source_location at = std::source_location::current())
      : cause_(detail::cancel_ref::adopt(
            new detail::cancel_cause(std::move(reason), 0, at))) {}

  /// What was given to cancel(); empty if nothing was.
  const std::string& reason() const noexcept;
  /// The id of the task that asked; 0 if it was a callback or is not known.
  std::uint64_t by() const noexcept { return cause_ ? cause_->by() : 0; }
  /// Where it asked; line() is 0 if that is not known.
  std::source_location at() const noexcept {
    return cause_ ? cause_->at() : std::source_location{};
  }
  const detail::cancel_ref& cause() const noexcept { return cause_; }

 private:
  detail::cancel_ref cause_;
};

/// A time limit has passed. Its code is ETIMEDOUT of the generic category.
class timeout_error : public std::system_error {
 public:
  explicit timeout_error(const std::string& what)
      : std::system_error(std::make_error_code(std::errc::timed_out), what) {}
};

/// The promise of a future was destroyed before it was kept.
class broken_promise : public std::runtime_error {
 public:
  broken_promise() : std::runtime_error("the promise was destroyed without a result") {}
};

/// Every task is blocked and nothing can wake one: what() names each task and the place it
/// waits at.
class deadlock : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace sheaf
