#pragma once

#include <sheaf/detail/awaitable_argument.hpp>
#include <sheaf/detail/join_shell.hpp>
#include <sheaf/detail/join_state.hpp>
#include <sheaf/future.hpp>
#include <sheaf/limit.hpp>
#include <sheaf/outcome.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <memory>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace sheaf {

/// gather(return_exceptions, ...): each result is an outcome, and nothing fails the whole.
struct return_exceptions_t {
  explicit return_exceptions_t() = default;
};
inline constexpr return_exceptions_t return_exceptions{};

/// gather(leave_running, ...): the first exception comes out at once and the siblings go on,
/// as in asyncio. They must not refer to the frame that gathers them.
struct leave_running_t {
  explicit leave_running_t() = default;
};
inline constexpr leave_running_t leave_running{};

namespace detail {

template <bool Exceptions>
struct gather_rules {
  const join_policy* policy = Exceptions ? &gather_ends : &gather_policy;
  std::size_t limit = join_state::unlimited;

  gather_rules<true> with_exceptions() const { return {&gather_ends, limit}; }
};

/// gather() of a range: a vector of the contributions, or nothing for children of void.
template <bool Exceptions, class T>
class gather_range final : public holding<contributions<Exceptions, T>, join_state> {
 public:
  using result = contributions<Exceptions, T>;
  using base = holding<result, join_state>;

  gather_range(loop_core& l, const join_policy& policy, std::size_t size)
      : base(l, policy), links_(size) {
    this->set_links(links_.get());
  }
  using base::add;
  using base::add_new;
  using base::begin;
  using base::time_starts;

 private:
  ~gather_range() override { this->leave_children(); }
  void collect() override {
    if constexpr (!std::is_void_v<result>) {
      result all;
      all.reserve(this->size());
      for (join_link& l : this->links()) {
        all.push_back(contribution<Exceptions, T>::take(*l.child));
        this->template release_child<task_of<T>>(l);  // now, while it is in the cache
      }
      this->children_released();
      this->emplace(std::move(all));
    }
  }

  const join_links links_;
};

/// gather() of a pack: a tuple of the contributions.
template <bool Exceptions, class... Ts>
class gather_pack final
    : public holding<std::tuple<typename contribution<Exceptions, Ts>::type...>,
                     join_state> {
 public:
  using result = std::tuple<typename contribution<Exceptions, Ts>::type...>;
  using base = holding<result, join_state>;

  gather_pack(loop_core& l, const join_policy& policy) : base(l, policy) {
    this->set_links(links_.data());
  }
  using base::add;
  using base::add_new;
  using base::begin;
  using base::time_starts;

 private:
  ~gather_pack() override { this->leave_children(); }
  void collect() override { collect(std::index_sequence_for<Ts...>()); }
  template <std::size_t... I>
  void collect(std::index_sequence<I...>) {
    this->emplace(result{contribution<Exceptions, Ts>::take(this->child(I))...});
  }

  std::array<join_link, sizeof...(Ts)> links_;
};

/// What may stand among the arguments of gather().
template <class A>
concept gather_argument = awaitable_argument<A> || awaitable_range<A> ||
                          std::same_as<std::remove_cvref_t<A>, limit> ||
                          std::same_as<std::remove_cvref_t<A>, leave_running_t> ||
                          std::same_as<std::remove_cvref_t<A>, return_exceptions_t>;

template <bool Exceptions, awaitable_range Range>
auto gather_with(gather_rules<Exceptions> rules, Range&& range) {
  if constexpr (!std::ranges::sized_range<Range>) {
    return gather_with(rules, with_size(std::forward<Range>(range)));
  } else {
    using join = gather_range<Exceptions, awaited_t<std::ranges::range_value_t<Range>>>;
    loop_core* const l = loop_of_first(range);
    const auto size = static_cast<std::size_t>(std::ranges::size(range));
    return start_join_of(
        runtime::intrusive_ptr<join>::adopt(new join(*l, *rules.policy, size)), l,
        rules.limit, std::forward<Range>(range));
  }
}

template <bool Exceptions, class... Aws>
  requires(awaitable_argument<Aws> && ...)
auto gather_with(gather_rules<Exceptions> rules, Aws&&... aws) {
  using join = gather_pack<Exceptions, awaited_t<Aws>...>;
  loop_core* l = nullptr;
  if constexpr (sizeof...(Aws) == 0) {
    l = &loop_or_current(nullptr);
  } else {
    l = loop_of(aws...);
  }
  return start_join(runtime::intrusive_ptr<join>::adopt(new join(*l, *rules.policy)), l,
                    rules.limit, std::forward<Aws>(aws)...);
}

template <bool Exceptions, class... Rest>
auto gather_with(gather_rules<Exceptions> rules, return_exceptions_t, Rest&&... rest) {
  return gather_with(rules.with_exceptions(), std::forward<Rest>(rest)...);
}
template <bool Exceptions, class... Rest>
auto gather_with(gather_rules<Exceptions> rules, leave_running_t, Rest&&... rest) {
  static_assert(!Exceptions, "with return_exceptions nothing fails: drop leave_running");
  rules.policy = &gather_leaving;
  return gather_with(rules, std::forward<Rest>(rest)...);
}
template <bool Exceptions, class... Rest>
auto gather_with(gather_rules<Exceptions> rules, limit most, Rest&&... rest) {
  rules.limit = most.count();
  return gather_with(rules, std::forward<Rest>(rest)...);
}

}  // namespace detail

/// Runs awaitables side by side and gives their results in the order of the arguments: a
/// tuple for a pack (std::monostate for void), a vector for a range (nothing for void).
///
///     auto [user, cart] = co_await gather(load_user(id), load_cart(id));
///     std::vector<page> pages = co_await gather(limit(8), std::move(fetches));
///
/// Arguments are coros, which become tasks by this call (with limit(n), n at a time), tasks
/// and futures; a range is taken by move if it holds coros. Ahead of them may stand
/// return_exceptions, leave_running and limit(n). The future may be stored and awaited later.
///
/// Order: children start in the order of the arguments. Failure: the first in time cancels
/// the others, waits for all to end, and is thrown; later errors count as seen and stay in
/// the children's handles and in the future's children(). A child that is cancelled is a failure. Cancelling the future
/// cancels every child, and it ends when all have. Cost: one block, 32 bytes a child.
template <class... Args>
  requires(detail::gather_argument<Args> && ...)
auto gather(Args&&... args) {
  return detail::gather_with(detail::gather_rules<false>(), std::forward<Args>(args)...);
}

}  // namespace sheaf
