#pragma once

#include <sheaf/context_var.hpp>
#include <sheaf/detail/in_context.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/task.hpp>

#include <exception>
#include <future>
#include <optional>
#include <source_location>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sheaf::detail {

/// A coroutine on its way into a loop from another thread, and of its result on the way back:
/// the untyped part.
///
/// Owns itself from post() on. All but that happens on the loop's thread: run() first makes the
/// task, and then, queued by its end, tells the thread.
class submission : public observer {
 public:
  /// Throws invalid_state, and is gone, if the loop is closed.
  void post(loop_core& l);

  void run() noexcept final;
  void drop() noexcept final;
  void settled(watcher&) noexcept final { loop_->post(*this); }

 protected:
  explicit submission(std::stop_token stop);
  virtual ~submission() = default;

  virtual task_ref make_task(loop_core& l, const task_options& options) = 0;
  virtual void tell(task_state& ended) = 0;
  virtual void tell(std::exception_ptr e) noexcept = 0;

 private:
  /// The request of the stop token, on its way into the loop.
  class request final : public runtime::ready_node {
   public:
    explicit request(submission& of) noexcept : of_(of) {}
    void run() noexcept override { of_.requested(true); }
    void drop() noexcept override { of_.requested(false); }

   private:
    submission& of_;
  };
  struct on_stop {
    submission* of;
    void operator()() const noexcept { of->ask(); }
  };

  void begin();
  void finish() noexcept;
  void ask() noexcept;
  void requested(bool loop_open) noexcept;
  cancel_ref asked_to_stop() const;

  loop_core* loop_ = nullptr;
  task_ref task_;  // null before it began
  watcher entry_;
  context_ref context_;  // the caller's; null if nothing is set there
  std::stop_token stop_;
  std::optional<std::stop_callback<on_stop>> stopper_;
  request request_{*this};
  bool asked_ = false;  // the request is in the inbox
  bool over_ = false;
};

template <class T>
class submission_of final : public submission {
 public:
  submission_of(coro<T> c, std::stop_token stop, std::source_location at)
      : submission(std::move(stop)), coro_(std::move(c)), at_(at) {}

  std::future<T> get_future() { return promise_.get_future(); }

 private:
  ~submission_of() override = default;

  task_ref make_task(loop_core& l, const task_options& options) override {
    return task_ref::share(&create_task_on(l, std::move(coro_), options, at_).state());
  }
  void tell(task_state& ended) override {
    if (ended.failed()) return promise_.set_exception(ended.hand_over_error());
    if (ended.status() == future_status::cancelled) {
      return promise_.set_exception(std::make_exception_ptr(cancelled(ended.cause())));
    }
    if constexpr (std::is_void_v<T>) {
      promise_.set_value();
    } else {
      promise_.set_value(std::move(ended.value<T>()));
    }
  }
  void tell(std::exception_ptr e) noexcept override {
    promise_.set_exception(std::move(e));
  }

  coro<T> coro_;
  std::promise<T> promise_;
  std::source_location at_;
};

}  // namespace sheaf::detail
