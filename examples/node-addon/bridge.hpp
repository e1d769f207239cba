#pragma once

// Tasks of sheaf as promises of JavaScript, and the other way about.
#include "js.hpp"

#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/task.hpp>

#include <uv.h>

#include <memory>
#include <optional>

/// sheaf in one environment of Node's (the main thread's, or a worker's): a loop inside of the
/// uv_loop_t which that runs.
///
/// It ends with the environment, by a cleanup hook: tasks that are alive are destroyed, and
/// Node goes on when libuv has given all handles back.
class bridge {
 public:
  static bridge& make(napi_env env);
  static bridge& of(napi_env env);

  /// A promise for the task; `options.signal`, an AbortSignal, cancels it.
  napi_value promise_for(sheaf::coro<js::maker> what, napi_value options = nullptr);

  /// The task behind a promise that was made here, or a future for any other value: what a
  /// thenable comes to, or the value itself.
  sheaf::future<js::maker> future_for(napi_value v);

  sheaf::loop& loop() { return *loop_; }

 private:
  struct pending;

  explicit bridge(napi_env env);
  ~bridge() = default;
  static void clean_up(napi_async_cleanup_hook_handle hook, void* self);
  void settle(pending& p, const sheaf::outcome<js::maker>& how) noexcept;
  napi_value reason_of(pending& p, const sheaf::outcome<js::maker>& how);
  void listen(const std::shared_ptr<pending>& p, const sheaf::task<js::maker>& t,
              napi_value signal);

  napi_env env_;
  uv_loop_t* uv_ = nullptr;
  std::optional<sheaf::loop> loop_;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  uv_idle_t last_{};  // closed after all of sheaf's
};
