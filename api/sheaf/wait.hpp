#pragma once

#include <sheaf/detail/awaitable_argument.hpp>
#include <sheaf/detail/wait_state.hpp>
#include <sheaf/sleep.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <utility>
#include <vector>

namespace sheaf {

/// How wait() waits.
class wait_options {
 public:
  wait_options& return_when(sheaf::return_when when) & {
    when_ = when;
    return *this;
  }
  wait_options&& return_when(sheaf::return_when when) && {
    return std::move(return_when(when));
  }

  /// Returns at the latest after `d`, with what is done by then. No error, nothing cancelled.
  template <class Rep, class Period>
  wait_options& timeout(std::chrono::duration<Rep, Period> d) & {
    timeout_ns_ = detail::to_delay(d);
    return *this;
  }
  template <class Rep, class Period>
  wait_options&& timeout(std::chrono::duration<Rep, Period> d) && {
    return std::move(timeout(d));
  }

  sheaf::return_when when() const noexcept { return when_; }
  std::optional<std::int64_t> timeout_ns() const noexcept { return timeout_ns_; }

 private:
  sheaf::return_when when_ = sheaf::return_when::all_completed;
  std::optional<std::int64_t> timeout_ns_;
};

/// What wait() gives: the handles that went in, each in one of the two.
template <class Handle>
struct [[nodiscard]] wait_result {
  std::vector<Handle> done;     ///< in order of completion
  std::vector<Handle> pending;  ///< in the order given
};

namespace detail {

template <class Handle>
class wait_wait final : public wait_state {
 public:
  wait_wait(std::vector<Handle> handles, const wait_options& options)
      : wait_state(handles.size(), options.when(), options.timeout_ns()),
        handles_(std::move(handles)) {
    for (const Handle& h : handles_) add(h.state());
  }
  ~wait_wait() { leave(); }

  wait_result<Handle> await_resume() {
    finish();
    wait_result<Handle> result;
    result.done.reserve(done_count());
    for_each_done([&](std::size_t i) { result.done.push_back(std::move(handles_[i])); });
    result.pending = take_pending();
    return result;
  }

 private:
  // In place: with many of them it is the moves that cost.
  std::vector<Handle> take_pending() noexcept {
    auto end = handles_.begin();
    for (std::size_t i = 0; i < handles_.size(); ++i) {
      if (leave_pending(i)) *end++ = std::move(handles_[i]);
    }
    handles_.erase(end, handles_.end());
    forget_children();  // from here on the caller may let them die
    return std::move(handles_);
  }

  std::vector<Handle> handles_;
};

/// wait() before it is awaited.
template <class Handle>
class [[nodiscard]] wait_request {
 public:
  wait_request(std::vector<Handle> handles, const wait_options& options)
      : handles_(std::move(handles)), options_(options) {}
  wait_wait<Handle> await_in_task() && {
    return wait_wait<Handle>(std::move(handles_), options_);
  }

 private:
  std::vector<Handle> handles_;
  wait_options options_;
};

/// The handles of a range, which all refer to something; a vector that is given away is taken
/// as it is.
template <class Handle, class Range>
std::vector<Handle> collect_handles(Range&& range) {
  if constexpr (std::is_same_v<Range, std::vector<Handle>>) {
    for (const Handle& h : range) static_cast<void>(h.state());
    return std::move(range);
  } else {
    std::vector<Handle> all;
    if constexpr (std::ranges::sized_range<Range>) all.reserve(std::ranges::size(range));
    for (auto&& each : range) {
      static_cast<void>(each.state());
      all.push_back(forward_element<Range>(each));
    }
    return all;
  }
}

}  // namespace detail

/// Waits for tasks or futures until the condition of the options holds, and tells which are
/// done and which are not.
///
///     auto [done, pending] = co_await wait(tasks, wait_options()
///                                                     .return_when(first_completed)
///                                                     .timeout(1s));
///
/// Takes a range of task<T> or future<T>; coros are refused, since their handles would be
/// lost. Duplicates count once. Never throws what a child threw: the handles have it; a
/// cancelled child is done but no exception. Throws std::invalid_argument for an empty range.
/// Cancelling it leaves the children alone. Cost: it registers with each child, O(n); to
/// take them one by one as_completed() registers once.
template <std::ranges::input_range Range>
  requires(detail::awaitable_range<Range> &&
           !detail::is_coro_v<std::ranges::range_value_t<Range>>)
auto wait(Range&& range, const wait_options& options = {}) {
  using handle = detail::handle_t<std::ranges::range_value_t<Range>>;
  auto handles = detail::collect_handles<handle, Range>(std::forward<Range>(range));
  if (handles.empty()) throw std::invalid_argument("wait: there is nothing to wait for");
  if (options.when() > sheaf::return_when::all_completed) {
    throw std::invalid_argument("wait: return_when is none of its enumerators");
  }
  return detail::wait_request<handle>(std::move(handles), options);
}

}  // namespace sheaf
