#pragma once

#include <sheaf/detail/awaitable_argument.hpp>
#include <sheaf/detail/completion_state.hpp>
#include <sheaf/sleep.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

namespace sheaf {

/// How as_completed() goes about it.
class as_completed_options {
 public:
  /// Counted from the call. Then every outcome that is not in becomes a timeout_error; the
  /// inputs run on.
  template <class Rep, class Period>
  as_completed_options& timeout(std::chrono::duration<Rep, Period> d) & {
    timeout_ns_ = detail::to_delay(d);
    return *this;
  }
  template <class Rep, class Period>
  as_completed_options&& timeout(std::chrono::duration<Rep, Period> d) && {
    return std::move(timeout(d));
  }
  std::optional<std::int64_t> timeout_ns() const noexcept { return timeout_ns_; }

 private:
  std::optional<std::int64_t> timeout_ns_;
};

namespace detail {

/// co_await stream.next()
template <class Handle>
class next_wait final : public completion_wait {
 public:
  using completion_wait::completion_wait;
  std::optional<Handle> await_resume() {
    const auto i = next();
    if (!i) return std::nullopt;
    return Handle(state().state(*i));
  }
};

/// co_await on one of the awaitables of a range-for.
template <class T>
class outcome_wait final : public completion_wait {
 public:
  using completion_wait::completion_wait;
  T await_resume() {
    const auto i = next();
    if (!i)
      throw invalid_state("as_completed: each of its awaitables gives one result, once");
    future_state& s = *state().state(*i);
    s.require_value();
    // The stream holds a reference of its own, which will not be used again.
    if constexpr (!std::is_void_v<T>) return take_value<T>(s, 1);
  }
};

}  // namespace detail

/// One awaitable of `for (auto&& aw : as_completed(...))`: gives the outcome of whichever
/// input completes next when it is awaited.
template <class T>
class [[nodiscard]] completion {
 public:
  explicit completion(detail::completion_ref s) noexcept : state_(std::move(s)) {}
  detail::outcome_wait<T> await_in_task() const {
    return detail::outcome_wait<T>(state_);
  }

 private:
  detail::completion_ref state_;
};

/// What as_completed() gives: the inputs, in the order in which they complete.
///
/// Moved, never copied. Destroyed early it cancels the tasks that it made from coros, which
/// must not refer to what dies with it; tasks and futures that it was given run on.
template <class Handle>
class [[nodiscard]] completion_stream {
 public:
  using value_type = typename Handle::value_type;

  explicit completion_stream(detail::completion_ref s) noexcept : state_(std::move(s)) {}
  completion_stream(completion_stream&&) noexcept = default;
  completion_stream& operator=(completion_stream&& other) noexcept {
    if (this != &other) {
      if (state_) state_->abandon();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~completion_stream() {
    if (state_) state_->abandon();
  }

  /// The next input that has completed, the very handle that went in; none at the end.
  /// Throws timeout_error once for each that did not make it in time. Any number of tasks
  /// may ask at once; one that is cancelled takes nothing with it.
  [[nodiscard]] detail::next_wait<Handle> next() {
    return detail::next_wait<Handle>(checked());
  }

  class iterator {
   public:
    using value_type = completion<typename Handle::value_type>;
    using difference_type = std::ptrdiff_t;

    iterator() = default;
    iterator(detail::completion_ref s, std::size_t at) noexcept
        : state_(std::move(s)), at_(at) {}
    value_type operator*() const { return value_type(state_); }
    iterator& operator++() {
      ++at_;
      return *this;
    }
    void operator++(int) { ++at_; }
    friend bool operator==(const iterator& a, const iterator& b) noexcept {
      return a.at_ == b.at_;
    }

   private:
    detail::completion_ref state_;
    std::size_t at_ = 0;
  };

  /// As many awaitables as there are inputs.
  iterator begin() const { return {checked(), 0}; }
  iterator end() const { return {checked(), state_->size()}; }

 private:
  const detail::completion_ref& checked() const {
    if (!state_) throw invalid_state("as_completed: this stream was moved from");
    return state_;
  }

  detail::completion_ref state_;
};

/// Gives the outcomes of a range of awaitables as they complete.
///
///     auto stream = as_completed(std::move(coros));
///     while (auto t = co_await stream.next()) use(co_await *t);
///     for (auto&& aw : as_completed(tasks)) use(co_await aw);
///
/// The first form tells which input it was, the second gives results alone. Coros become
/// tasks by this call; tasks and futures are taken as they are; duplicates count once. What
/// is done already comes first, in the order given. Failure: an input's error comes out when
/// it is awaited; the others go on. Cost: registers once with each, O(1) for each result.
template <detail::awaitable_range Range>
auto as_completed(Range&& range, const as_completed_options& options = {}) {
  using handle = detail::handle_t<std::ranges::range_value_t<Range>>;
  constexpr bool own = detail::is_coro_v<std::ranges::range_value_t<Range>>;
  std::vector<detail::completion_state::child> children;
  if constexpr (std::ranges::sized_range<Range>) {
    children.reserve(static_cast<std::size_t>(std::ranges::size(range)));
  }
  detail::loop_core* l = nullptr;
  try {
    const detail::distinct_marks marks(children);
    for (auto&& each : range) {
      auto s = detail::to_state(detail::forward_element<Range>(each), l,
                                detail::start_mode::joined);
      if (s->marked()) continue;
      s->mark(true);
      children.push_back({{}, std::move(s), own});
    }
  } catch (...) {
    // The children made so far must not run: they may refer to what is about to go.
    for (auto& c : children) detail::discard_child(*c.state);
    throw;
  }
  return completion_stream<handle>(
      detail::completion_ref::adopt(new detail::completion_state(
          detail::loop_or_current(l), std::move(children), options.timeout_ns())));
}

}  // namespace sheaf
