#pragma once

#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/exception_context.hpp>
#include <sheaf/runtime/frame_pool.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>

#include <atomic>
#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace sheaf {

/// Why something was cancelled, as far as the library knows.
enum class cancel_why : std::uint8_t {
  requested,       ///< cancel() was called
  timeout,         ///< the limit of timeout::run() or wait_for() has passed
  sibling_failed,  ///< another child of the same gather or group failed
  not_needed,      ///< the others gave what was wanted
  left,            ///< the scope or stream that it belonged to was left
  shutdown         ///< run() is ending, or the loop was closed
};

/// In words: "the time limit has passed". Empty for `requested`.
const std::string& to_string(cancel_why why) noexcept;

namespace detail {

/// Why something was cancelled; shared by the request and all the errors it becomes.
class cancel_cause : public runtime::pooled {
 public:
  cancel_cause(std::string text, std::uint64_t by, std::source_location at)
      : cancel_cause(cancel_why::requested, std::move(text), by, {}, at) {}
  cancel_cause(cancel_why why, std::string text, std::uint64_t by, std::string by_name,
               std::source_location at)
      : text_(std::move(text)),
        by_name_(std::move(by_name)),
        by_(by),
        at_(at),
        why_(why) {}

  cancel_why why() const noexcept { return why_; }
  /// What was said, or else what there is to say of why().
  const std::string& text() const noexcept {
    return text_.empty() ? to_string(why_) : text_;
  }
  std::uint64_t by() const noexcept { return by_; }
  /// Empty if the task was never given one.
  const std::string& by_name() const noexcept { return by_name_; }
  std::source_location at() const noexcept { return at_; }
  std::string describe() const;

  // Atomic: an exception may be carried to another thread.
  void retain() const noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() const noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  const std::string text_;
  const std::string by_name_;
  const std::uint64_t by_;
  const std::source_location at_;
  mutable std::atomic<std::uint32_t> references_{1};
  const cancel_why why_;
};

using cancel_ref = runtime::intrusive_ptr<const cancel_cause>;

}  // namespace detail

/// Thrown at the await where a task is cancelled: asyncio's CancelledError.
///
/// Not a std::exception, so `catch (const std::exception&)` lets it pass. Whoever catches it
/// cleans up and throws it on; swallowing it makes the task go on as if nothing had been.
///
/// Order: of several requests that a task learns of at once, it tells the first if the task
/// was waiting for something then, else the last: asyncio's rule.
class cancelled final {
 public:
  cancelled() = default;
  explicit cancelled(detail::cancel_ref cause) noexcept : cause_(std::move(cause)) {}
  explicit cancelled(std::string reason,
                     std::source_location at = std::source_location::current())
      : cause_(detail::cancel_ref::adopt(
            new detail::cancel_cause(std::move(reason), 0, at))) {}

  cancel_why why() const noexcept {
    return cause_ ? cause_->why() : cancel_why::requested;
  }
  /// What was given to cancel(), or to_string(why()); empty if nothing was.
  const std::string& reason() const noexcept;
  /// The id of the task that asked; 0 if it was a callback or is not known. A time limit asks
  /// in the name of the task that is in its scope.
  std::uint64_t by() const noexcept { return cause_ ? cause_->by() : 0; }
  /// The name of that task when it asked; empty if by() is 0.
  std::string by_name() const;
  /// Where it asked: the call of cancel(), the co_await of a time limit's scope; line() is 0
  /// if that is not known.
  std::source_location at() const noexcept {
    return cause_ ? cause_->at() : std::source_location{};
  }
  /// All of it on one line: "too slow, by task 3 'main' at main.cpp:12"; empty if nothing is
  /// known.
  std::string describe() const { return cause_ ? cause_->describe() : std::string(); }

  /// For the library.
  const detail::cancel_ref& cause() const noexcept { return cause_; }

 private:
  detail::cancel_ref cause_;
};

/// Thrown at the co_yield of a generator that is closed by aclose(): Python's GeneratorExit.
///
/// Not a std::exception. Let it pass, or end after it; one that yields again is an error.
class generator_exit final {};

/// A time limit has passed. Its code is ETIMEDOUT of the generic category.
///
/// Thrown by timeout::run() and wait_for() it has the cancellation that it stands for as its
/// cause, which names the task and the co_await, and the id of its scope, by which it is told
/// from one that the body threw: `e.scope() == t.id()`.
class timeout_error : public std::system_error {
 public:
  explicit timeout_error(const std::string& what)
      : std::system_error(std::make_error_code(std::errc::timed_out), what) {}
  /// For the library: of a scope.
  timeout_error(const std::string& what, cancelled cause, std::uint64_t scope)
      : std::system_error(std::make_error_code(std::errc::timed_out), what),
        cause_(std::move(cause)),
        scope_(scope) {}

  /// asyncio's `__cause__`; says nothing where no scope threw this.
  const cancelled& cause() const noexcept { return cause_; }
  /// timeout::id() of the scope; 0 if no scope threw this.
  std::uint64_t scope() const noexcept { return scope_; }

 private:
  cancelled cause_;
  std::uint64_t scope_ = 0;
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
