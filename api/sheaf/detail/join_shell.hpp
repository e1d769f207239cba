#pragma once

#include <sheaf/detail/awaitable_argument.hpp>
#include <sheaf/detail/join_state.hpp>
#include <sheaf/future.hpp>
#include <sheaf/indexed.hpp>
#include <sheaf/limit.hpp>
#include <sheaf/outcome.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

// What the typed shells over join_state share.
namespace sheaf::detail {

/// The value of a child; one that cannot be copied is given once.
template <class T>
T take_contribution(future_state& s) {
  if constexpr (!std::is_copy_constructible_v<T>) s.require_value();
  return take_value<T>(s, 1);
}

/// What one child contributes: its value, nothing, or how it ended.
template <bool Exceptions, class T>
struct contribution {
  using type = nothing_for_void<T>;
  static type take(future_state& s) {
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      return take_contribution<T>(s);
    }
  }
};
template <class T>
struct contribution<true, T> {
  using type = outcome<T>;
  static type take(future_state& s) {
    if (s.status() == future_status::error) return type(s.error());
    if (s.status() == future_status::cancelled) return type(cancelled(s.cause()));
    if constexpr (std::is_void_v<T>) {
      return type();
    } else {
      return type(take_contribution<T>(s));
    }
  }
};

/// A vector of what the children contribute; nothing where none contributes anything.
template <bool Exceptions, class T>
using contributions =
    std::conditional_t<std::is_void_v<T> && !Exceptions, void,
                       std::vector<typename contribution<Exceptions, T>::type>>;

/// A range whose size is known, or one that is read into a vector first: the links of a join
/// must not move.
template <class Range>
decltype(auto) with_size(Range&& range) {
  if constexpr (std::ranges::sized_range<Range>) {
    return static_cast<Range&&>(range);
  } else {
    std::vector<std::ranges::range_value_t<Range>> all;
    for (auto&& each : range) all.push_back(forward_element<Range>(each));
    return all;
  }
}

inline start_mode mode_under(std::size_t limit) noexcept {
  return limit == join_state::unlimited ? start_mode::joined : start_mode::held;
}

template <class Join, class A>
[[gnu::always_inline]] inline void add_to(Join& join, A&& a, loop_core*& l,
                                          start_mode mode) {
  auto child = to_state(std::forward<A>(a), l, mode);
  is_coro_v<A> ? join.add_new(std::move(child)) : join.add(std::move(child));
}

/// Adds the arguments in their order, in which they start, and begins.
template <class Join, class... Aws>
[[gnu::always_inline]] inline auto start_join(runtime::intrusive_ptr<Join> join,
                                              [[maybe_unused]] loop_core* l,
                                              std::size_t limit, Aws&&... aws) {
  const auto mode = mode_under(limit);
  if (mode == start_mode::held) join->time_starts(sizeof...(Aws));
  (add_to(*join, std::forward<Aws>(aws), l, mode), ...);
  join->begin(limit);
  return future<typename Join::result>(state_ref::share(join.get()));
}
template <class Join, class Range>
[[gnu::always_inline]] inline auto start_join_of(runtime::intrusive_ptr<Join> join,
                                                 loop_core* l, std::size_t limit,
                                                 Range&& range) {
  const auto mode = mode_under(limit);
  if (mode == start_mode::held) join->time_starts(std::ranges::size(range));
  for (auto&& each : range) add_to(*join, forward_element<Range>(each), l, mode);
  join->begin(limit);
  return future<typename Join::result>(state_ref::share(join.get()));
}

// ---- those that pick: race, first_success, quorum ---------------------------------------

/// Throws std::invalid_argument unless `size` awaitables may give as many values.
void require_reachable(const join_policy& policy, std::size_t values, std::size_t size);

/// The children of a pack. An argument that is no lvalue was handed over.
template <class... Aws>
struct pack_shape {
  using value = one_of_t<awaited_t<Aws>...>;
  using links = std::array<join_link, sizeof...(Aws)>;

  static links make_links(std::size_t) { return {}; }
  static bool handed_over(std::size_t i) noexcept {
    static constexpr bool given[] = {!std::is_lvalue_reference_v<Aws>...};
    return given[i];
  }
  static value take(future_state& child, std::size_t i) {
    return take(child, i, std::index_sequence_for<Aws...>());
  }

 private:
  template <std::size_t... I>
  static value take(future_state& child, std::size_t i, std::index_sequence<I...>) {
    static constexpr value (*takers[])(future_state&) = {&take_as<I, awaited_t<Aws>>...};
    return takers[i](child);
  }
  template <std::size_t I, class T>
  static value take_as(future_state& child) {
    if constexpr (std::is_same_v<value, nothing_for_void<T>>) {
      return contribution<false, T>::take(child);
    } else {
      return value(std::in_place_index<I>, contribution<false, T>::take(child));
    }
  }
};

/// The children of a range: handed over if it is an rvalue.
template <class T, bool Given>
struct range_shape {
  using value = nothing_for_void<T>;
  using links = std::unique_ptr<join_link[]>;

  static links make_links(std::size_t n) { return links(new join_link[n]); }
  static bool handed_over(std::size_t) noexcept { return Given; }
  static value take(future_state& child, std::size_t) {
    return contribution<false, T>::take(child);
  }
};

/// Gives the value of the child that decided, or of all that succeeded up to it.
template <class Shape, bool Many>
class pick_join final
    : public holding<std::conditional_t<Many, std::vector<indexed<typename Shape::value>>,
                                        indexed<typename Shape::value>>,
                     join_state> {
 public:
  using picked = indexed<typename Shape::value>;
  using result = std::conditional_t<Many, std::vector<picked>, picked>;
  using base = holding<result, join_state>;

  /// `values` of them are wanted.
  pick_join(loop_core& l, const join_policy& policy, std::size_t values, std::size_t size)
      : base(l, policy), links_(Shape::make_links(size)) {
    this->set_links(&links_[0]);
    this->want(values, size);
  }
  using base::add;
  using base::add_new;
  using base::begin;
  using base::time_starts;

 private:
  ~pick_join() override { this->leave_children(); }
  bool handed_over(std::size_t i) const noexcept override {
    return Shape::handed_over(i);
  }
  picked pick(const join_link& l) {
    const std::size_t i = this->place_of(l);
    return {i, Shape::take(*l.child, i)};
  }
  void collect() override {
    if constexpr (Many) {
      result all;
      for (const join_link* l = this->first_end();; l = l->ended.next) {
        if (l->child->status() == future_status::value) all.push_back(pick(*l));
        if (l == &this->decisive()) break;
      }
      this->emplace(std::move(all));
    } else {
      this->emplace(pick(this->decisive()));
    }
  }

  typename Shape::links links_;
};

template <bool Many, class... Aws>
auto pick_among(const join_policy& policy, std::size_t values, std::size_t limit,
                Aws&&... aws) {
  using join = pick_join<pack_shape<Aws...>, Many>;
  require_reachable(policy, values, sizeof...(Aws));
  loop_core* const l = loop_of(aws...);
  return start_join(
      runtime::intrusive_ptr<join>::adopt(new join(*l, policy, values, sizeof...(Aws))),
      l, limit, std::forward<Aws>(aws)...);
}
template <bool Many, class Range, bool Given = gives_elements<Range>>
auto pick_from(const join_policy& policy, std::size_t values, std::size_t limit,
               Range&& range) {
  if constexpr (!std::ranges::sized_range<Range>) {
    auto all = with_size(std::forward<Range>(range));
    return pick_from<Many, decltype(all), Given>(policy, values, limit, std::move(all));
  } else {
    using element = awaited_t<std::ranges::range_value_t<Range>>;
    using join = pick_join<range_shape<element, Given>, Many>;
    const auto size = static_cast<std::size_t>(std::ranges::size(range));
    require_reachable(policy, values, size);
    loop_core* const l = loop_of_first(range);
    return start_join_of(
        runtime::intrusive_ptr<join>::adopt(new join(*l, policy, values, size)), l, limit,
        std::forward<Range>(range));
  }
}

}  // namespace sheaf::detail
