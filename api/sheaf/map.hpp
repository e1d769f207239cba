#pragma once

#include <sheaf/detail/join_shell.hpp>
#include <sheaf/detail/map_state.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/limit.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace sheaf {

namespace detail {

/// The elements of a range one by one, and a function that makes a child of each. `Owned`:
/// the range is the map's alone, so that its elements are moved.
template <class View, bool Owned, class F, class... Args>
class map_work {
 public:
  using reference = std::ranges::range_reference_t<View>;
  // What the range makes up for the occasion is kept while its child may refer to it.
  static constexpr bool keeps = !std::is_lvalue_reference_v<reference>;
  using value = std::ranges::range_value_t<View>;
  using element = std::conditional_t<
      keeps, value&&,
      std::conditional_t<Owned, std::remove_reference_t<reference>&&, reference>>;
  using child = std::invoke_result_t<const F&, element, const Args&...>;

  template <class V, class G, class... As>
  map_work(V&& view, std::size_t places, G&& f, As&&... args)
      : view_(std::forward<V>(view)),
        at_(std::ranges::begin(view_)),
        f_(std::forward<G>(f)),
        args_(std::forward<As>(args)...) {
    if constexpr (keeps) kept_.reset(new std::optional<value>[places]);
  }

  bool advance() {
    if (begun_) ++at_;
    begun_ = true;
    return at_ != std::ranges::end(view_);
  }
  child make(std::size_t place) {
    return std::apply(
        [&](const Args&... args) -> child {
          return std::invoke(std::as_const(f_), current(place), args...);
        },
        args_);
  }

 private:
  element current([[maybe_unused]] std::size_t place) {
    if constexpr (keeps) {
      kept_[place].emplace(*at_);
      return std::move(*kept_[place]);
    } else {
      return static_cast<element>(*at_);
    }
  }

  View view_;
  std::ranges::iterator_t<View> at_;
  bool begun_ = false;
  F f_;
  std::tuple<Args...> args_;
  [[no_unique_address]] std::conditional_t<keeps, std::unique_ptr<std::optional<value>[]>,
                                           std::monostate> kept_;
};

template <bool Exceptions, class Work>
class map_join final
    : public holding<contributions<Exceptions, awaited_t<typename Work::child>>,
                     map_state> {
 public:
  using value = awaited_t<typename Work::child>;
  using part = contribution<Exceptions, value>;
  using result = contributions<Exceptions, value>;
  using base = holding<result, map_state>;

  template <class... Args>
  map_join(loop_core& l, const map_sizes& n, Args&&... work)
      : base(l, Exceptions ? map_ends : map_policy, n),
        work_(std::in_place, std::forward<Args>(work)...) {}
  using base::begin;

 private:
  static constexpr bool has_result = !std::is_void_v<result>;

  ~map_join() override { this->leave_children(); }
  bool advance() override { return work_->advance(); }
  state_ref make(std::size_t place) override {
    loop_core* l = &this->loop();
    return to_state(work_->make(place), l, start_mode::joined);
  }
  void take([[maybe_unused]] future_state& child,
            [[maybe_unused]] std::size_t row) override {
    if constexpr (has_result) {
      if (parts_.size() <= row) parts_.resize(row + 1);
      parts_[row].emplace(part::take(child));
    }
  }
  void collect() override {
    if constexpr (has_result) {
      auto parts = std::move(parts_);
      result all;
      all.reserve(parts.size());
      for (auto& p : parts) all.push_back(*std::move(p));
      this->emplace(std::move(all));
    }
  }
  void forget_work() noexcept override { work_.reset(); }

  std::optional<Work> work_;
  [[no_unique_address]] std::conditional_t<
      has_result, std::vector<std::optional<typename part::type>>, std::monostate> parts_;
};

/// How many elements a range has; 0 if it does not know, unless it is to be counted.
template <class Range>
std::size_t elements_of(Range& range, [[maybe_unused]] bool count) {
  if constexpr (std::ranges::sized_range<Range>) {
    return static_cast<std::size_t>(std::ranges::size(range));
  } else if constexpr (std::ranges::forward_range<Range>) {
    return count ? static_cast<std::size_t>(std::ranges::distance(range)) : 0;
  } else {
    return 0;
  }
}

template <bool Exceptions, class Range, class F, class... Args>
auto map_with(const limit* most, Range&& range, F&& fn, Args&&... args) {
  constexpr bool owned = !std::is_lvalue_reference_v<Range> &&
                         !std::ranges::view<std::remove_cvref_t<Range>>;
  using view = std::views::all_t<Range>;
  using work = map_work<view, owned, std::decay_t<F>, std::decay_t<Args>...>;
  using join = map_join<Exceptions, work>;
  auto& l = loop_core::current("map");
  l.require_open("map");
  const std::size_t at_a_time = most ? most->count() : join_state::unlimited;
  const std::size_t elements = elements_of(range, !most);
  const bool known = !most || std::ranges::sized_range<Range>;
  const std::size_t places =
      known ? std::clamp<std::size_t>(elements, 1, at_a_time) : at_a_time;
  const map_sizes sizes{places, elements, most ? most->reports() : child_log::all};
  const auto state = runtime::intrusive_ptr<join>::adopt(
      new join(l, sizes, std::views::all(std::forward<Range>(range)), places,
               std::forward<F>(fn), std::forward<Args>(args)...));
  state->begin(at_a_time);
  return future<typename join::result>(state_ref::share(state.get()));
}

template <class Range>
concept counted_range =
    std::ranges::sized_range<Range> || std::ranges::forward_range<Range>;

}  // namespace detail

/// Calls `fn(element, args...)` for each element of a range, runs the coros that it returns,
/// and gives their values in the order of the elements: a vector, or nothing for void.
///
///     std::vector<page> pages = co_await map(urls, fetch, limit(8));
///     auto ends = co_await map(return_exceptions, urls, fetch, limit(8), std::ref(client));
///
/// With limit(n) at most n coros exist at a time: the next is made when one has ended, so
/// that a range of a million needs the memory of n. Only then may the range be one that is
/// read once and whose size is not known. Without a limit all are made by the call.
///
/// Ownership: a range given as an rvalue, the function and the arguments are moved in and
/// live until all children have ended, so that children may refer to them; a range given as
/// an lvalue is borrowed until then. Elements are moved out of a container given as an
/// rvalue. Order: elements are taken in the order of the range, the first n by the call, and
/// `fn` is called on the loop in the context of the call. Failure: as gather(): the first
/// one, an `fn` that throws included, ends the making, cancels the other children and is
/// thrown when they have ended; with return_exceptions ahead each result is an outcome.
/// Reading the range may throw too, which fails the whole in either case; children() of the
/// future tells of the last 1,024 elements that had ended, limit(n).keep_reports(m) of m.
/// Cost: one block, 48 bytes for each of n and of those, and the results.
template <std::ranges::input_range Range, class F, class... Args>
  requires(std::ranges::viewable_range<Range>)
auto map(Range&& range, F&& fn, limit most, Args&&... args) {
  return detail::map_with<false>(&most, std::forward<Range>(range), std::forward<F>(fn),
                                 std::forward<Args>(args)...);
}
template <detail::counted_range Range, class F, class... Args>
  requires(std::ranges::viewable_range<Range>)
auto map(Range&& range, F&& fn, Args&&... args) {
  return detail::map_with<false>(nullptr, std::forward<Range>(range), std::forward<F>(fn),
                                 std::forward<Args>(args)...);
}
template <std::ranges::input_range Range, class F, class... Args>
  requires(std::ranges::viewable_range<Range>)
auto map(return_exceptions_t, Range&& range, F&& fn, limit most, Args&&... args) {
  return detail::map_with<true>(&most, std::forward<Range>(range), std::forward<F>(fn),
                                std::forward<Args>(args)...);
}
template <detail::counted_range Range, class F, class... Args>
  requires(std::ranges::viewable_range<Range>)
auto map(return_exceptions_t, Range&& range, F&& fn, Args&&... args) {
  return detail::map_with<true>(nullptr, std::forward<Range>(range), std::forward<F>(fn),
                                std::forward<Args>(args)...);
}

}  // namespace sheaf
