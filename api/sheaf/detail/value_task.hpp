#pragma once

#include <sheaf/detail/task_state.hpp>

#include <source_location>
#include <type_traits>
#include <utility>

namespace sheaf::detail {

/// A task with the value of its coro<T>.
template <class T>
class value_task : public holding<T, task_state> {
 public:
  /// The value of its coroutine, whose locals still live.
  template <class... Args>
  void keep_result(Args&&... args) {
    this->emplace(std::forward<Args>(args)...);
    if constexpr (!std::is_trivially_destructible_v<T>) this->result_kept_ = true;
  }

 protected:
  using base = holding<T, task_state>;
  value_task(loop_core& l, promise_base& root, std::source_location at,
             start_mode how) noexcept
      : base(l, root, at, how) {}
  ~value_task() override = default;
};

/// The task of a coro<T>.
template <class T>
class task_of final : public value_task<T> {
 public:
  task_of(loop_core& l, promise_base& root, std::source_location at,
          start_mode how) noexcept
      : value_task<T>(l, root, at, how) {}
  ~task_of() override = default;
};

}  // namespace sheaf::detail
