#pragma once

#include <sheaf/detail/suspension.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/loop.hpp>

#include <coroutine>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace sheaf::detail {

/// Connects a handle, tcp or pipe; stands in the awaiting frame.
///
/// `Connect` is called with a fresh handle and a callback, and begins. `target` must outlive
/// this. Cancelled, it closes the handle: nothing of it is left.
template <class Handle, class Connect>
class connect_wait final : public suspension {
 public:
  using awaits_in_task = void;

  connect_wait(const std::string& target, Connect connect)
      : target_(target), connect_(std::move(connect)) {}

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return begin(*h.promise().task());
  }
  Handle await_resume() {
    task_->throw_if_interrupted();
    if (refused_) std::rethrow_exception(refused_);
    if (error_) throw uv_error(error_.value(), "connect", target_);
    return std::move(*handle_);
  }

  bool cancel(const cancel_ref&) noexcept override {
    interrupt();
    return true;
  }
  void interrupt() noexcept override {
    handle_.reset();
    task_->wake_cancelled();
  }
  const char* kind() const noexcept override { return "connect"; }

 private:
  bool begin(task_state& t) noexcept {
    task_ = &t;
    try {
      handle_.emplace(*t.loop().facade());
      connect_(*handle_, [this](std::error_code e) {
        error_ = e;
        task_->wake();
      });
    } catch (const uv_error& e) {
      error_ = e.code();
      return false;
    } catch (...) {
      refused_ = std::current_exception();
      return false;
    }
    t.suspended_on(*this);
    return true;
  }

  const std::string& target_;
  Connect connect_;
  task_state* task_ = nullptr;
  std::optional<Handle> handle_;
  std::error_code error_;
  std::exception_ptr refused_;
};

}  // namespace sheaf::detail
