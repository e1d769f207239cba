#pragma once

#include <sheaf/detail/suspension.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/request.hpp>

#include <coroutine>
#include <exception>
#include <optional>
#include <system_error>
#include <utility>

namespace sheaf::detail {

/// Awaits a request of libuv; stands in the awaiting frame.
///
/// `Ask` is called with the loop and a callback, and gives the request. Cancelled, it lets
/// go of the request at once: libuv drops it, or a thread ends it and nobody learns how.
template <class T, class Ask>
class request_wait final : public suspension {
 public:
  using awaits_in_task = void;

  request_wait(const char* what, Ask ask) : what_(what), ask_(std::move(ask)) {}

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return begin(*h.promise().task());
  }
  T await_resume() {
    task_->throw_if_interrupted();
    if (refused_) std::rethrow_exception(refused_);
    if (error_) throw uv_error(error_.value(), what_);
    return std::move(*answer_);
  }

  bool cancel(const cancel_ref&) noexcept override {
    interrupt();
    return true;
  }
  void interrupt() noexcept override {
    request_.reset();
    task_->wake_cancelled();
  }
  const char* kind() const noexcept override { return what_; }

 private:
  bool begin(task_state& t) noexcept {
    task_ = &t;
    try {
      request_.emplace(ask_(*t.loop().facade(), [this](T answer, std::error_code e) {
        answer_.emplace(std::move(answer));
        error_ = e;
        task_->wake();
      }));
    } catch (...) {
      refused_ = std::current_exception();
      return false;
    }
    t.suspended_on(*this);
    return true;
  }

  const char* what_;
  Ask ask_;
  task_state* task_ = nullptr;
  std::optional<runtime::request> request_;
  std::optional<T> answer_;
  std::error_code error_;
  std::exception_ptr refused_;
};

}  // namespace sheaf::detail
