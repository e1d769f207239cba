#pragma once

#include <sheaf/detail/suspension.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/request.hpp>

#include <coroutine>
#include <exception>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

namespace sheaf::detail {

/// What a cancellation does to a request that a thread has begun with, which libuv cannot
/// take back. One that is still queued is dropped, and nothing of it happens.
enum class once_begun {
  dropped,  ///< ends the wait at once; nobody learns the answer. For what changes nothing
  awaited,  ///< the wait goes on to the answer; the next await delivers the cancellation
  resumed   ///< the same even while it is queued: the rest of what an earlier one began
};

/// Awaits a request of libuv; stands in the awaiting frame. The untyped part.
///
/// Cancellation is total: `cancelled` is thrown only if the request has changed nothing. An
/// answer that came before the task ran is given, and the cancellation postponed. Destroyed
/// while it waits, as a loop that closes does, it lets go of the request; what a thread needs
/// to end it is kept by the request itself, never by this frame.
class request_wait_base : public suspension {
 public:
  using awaits_in_task = void;

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return begin(*h.promise().task());
  }

  bool cancel(const cancel_ref&) noexcept final;
  void interrupt() noexcept final;
  const char* kind() const noexcept final { return kind_; }

 protected:
  /// `kind` is what it is called, `subject` what it is about, such as a path: borrowed, for
  /// the text of an error.
  request_wait_base(const char* kind, std::string_view subject, once_begun how) noexcept
      : kind_(kind), subject_(subject), how_(how) {}
  ~request_wait_base() = default;

  /// In the request's callback.
  void answered(std::error_code e) noexcept {
    answered_ = true;
    error_ = e;
    task_->wake();
  }
  /// First thing on resuming: throws what there is to throw.
  void resumed();

 private:
  virtual runtime::request ask(runtime::loop& l) = 0;
  bool begin(task_state& t) noexcept;
  bool lets_go() noexcept;
  [[noreturn]] void throw_error() const;

  const char* kind_;
  std::string_view subject_;
  task_state* task_ = nullptr;
  std::optional<runtime::request> request_;
  std::error_code error_;
  std::exception_ptr refused_;
  once_begun how_;
  bool answered_ = false;
};

/// `Ask` is called with the loop and a callback, of a T (none for void) and an error code,
/// and gives the request.
template <class T, class Ask>
class request_wait final : public request_wait_base {
 public:
  request_wait(const char* kind, std::string_view subject, once_begun how, Ask ask)
      : request_wait_base(kind, subject, how), ask_(std::move(ask)) {}

  T await_resume() {
    resumed();
    if constexpr (!std::is_void_v<T>) return std::move(*answer_);
  }

 private:
  runtime::request ask(runtime::loop& l) override {
    if constexpr (std::is_void_v<T>) {
      return ask_(l, [this](std::error_code e) { answered(e); });
    } else {
      return ask_(l, [this](auto&& given, std::error_code e) {
        answer_.emplace(std::forward<decltype(given)>(given));
        answered(e);
      });
    }
  }

  using answer = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
  Ask ask_;
  std::optional<answer> answer_;
};

/// Awaits `f(loop, args..., callback)`, one of the runtime's functions. The arguments must be
/// trivial: refer to what stands in the awaiting frame.
template <class T, class F, class... Args>
auto ask_for(const char* kind, std::string_view subject, once_begun how, F* f,
             Args... args) {
  static_assert((std::is_trivially_destructible_v<Args> && ...));
  auto ask = [f, args...](runtime::loop& l, auto callback) {
    return f(l, args..., std::move(callback));
  };
  return request_wait<T, decltype(ask)>(kind, subject, how, std::move(ask));
}

}  // namespace sheaf::detail
