#pragma once

#include <sheaf/detail/hedge_state.hpp>
#include <sheaf/detail/join_shell.hpp>
#include <sheaf/exception_group.hpp>
#include <sheaf/indexed.hpp>
#include <sheaf/sleep.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace sheaf {

/// How hedge() goes about it.
class hedge_options {
 public:
  /// How long an attempt is given before the next one is made beside it. Zero makes one more
  /// in each batch.
  template <class Rep, class Period>
  hedge_options& delay(std::chrono::duration<Rep, Period> d) & {
    delay_ns_ = detail::to_delay(d);
    return *this;
  }
  template <class Rep, class Period>
  hedge_options&& delay(std::chrono::duration<Rep, Period> d) && {
    return std::move(delay(d));
  }

  /// How often a function is called at most: 2, if nothing is said. Of coros each is an
  /// attempt. With 0 hedge() throws std::invalid_argument.
  hedge_options& attempts(std::size_t n) & {
    attempts_ = n;
    return *this;
  }
  hedge_options&& attempts(std::size_t n) && { return std::move(attempts(n)); }

  std::int64_t delay_ns() const noexcept { return delay_ns_; }
  std::size_t attempts() const noexcept { return attempts_; }

 private:
  std::int64_t delay_ns_ = 0;
  std::size_t attempts_ = 2;
};

namespace detail {

/// Attempts that are calls of one function. It and its arguments live until all have ended.
template <class F, class... Args>
class call_source {
 public:
  using coro_type = std::invoke_result_t<const F&, const Args&...>;
  using shape = range_shape<awaited_t<coro_type>, true>;

  template <class G, class... As>
  explicit call_source(G&& f, As&&... args)
      : f_(std::forward<G>(f)), args_(std::forward<As>(args)...) {}
  state_ref make(loop_core* l, std::size_t) const {
    return to_state(std::apply(f_, args_), l, start_mode::joined);
  }

 private:
  F f_;
  std::tuple<Args...> args_;
};

/// Attempts that are there as coros of one type.
template <class T>
class coro_source {
 public:
  using shape = range_shape<T, true>;

  explicit coro_source(std::vector<coro<T>> all) noexcept : all_(std::move(all)) {}
  state_ref make(loop_core* l, std::size_t i) {
    return to_state(std::move(all_[i]), l, start_mode::joined);
  }

 private:
  std::vector<coro<T>> all_;
};

/// The same of any types.
template <class... Ts>
class coros_source {
 public:
  using shape = pack_shape<coro<Ts>...>;

  explicit coros_source(coro<Ts>&&... all) noexcept : all_(std::move(all)...) {}
  state_ref make(loop_core* l, std::size_t i) {
    return make(l, i, std::index_sequence_for<Ts...>());
  }

 private:
  template <std::size_t... I>
  state_ref make(loop_core* l, std::size_t i, std::index_sequence<I...>) {
    state_ref made;
    const auto one = [&](auto& c) {
      made = to_state(std::move(c), l, start_mode::joined);
    };
    static_cast<void>(((I == i ? (one(std::get<I>(all_)), true) : false) || ...));
    return made;
  }

  std::tuple<coro<Ts>...> all_;
};

template <class Source>
class hedge_join final
    : public holding<indexed<typename Source::shape::value>, hedge_state> {
 public:
  using shape = typename Source::shape;
  using result = indexed<typename shape::value>;
  using base = holding<result, hedge_state>;

  hedge_join(loop_core& l, std::int64_t delay_ns, std::size_t attempts, Source source)
      : base(l, delay_ns, attempts),
        links_(new join_link[attempts]),
        source_(std::move(source)) {
    this->set_links(links_.get());
  }
  using base::begin;

 private:
  ~hedge_join() override { this->leave_children(); }
  state_ref make(std::size_t attempt) override {
    return source_->make(&this->loop(), attempt);
  }
  void supply_ended() noexcept override { source_.reset(); }
  void collect() override {
    const std::size_t i = this->place_of(this->decisive());
    this->emplace(result{i, shape::take(this->child(i), i)});
  }

  const std::unique_ptr<join_link[]> links_;
  std::optional<Source> source_;
};

template <class Source>
auto start_hedge(std::int64_t delay_ns, std::size_t attempts, Source source) {
  using join = hedge_join<Source>;
  auto& l = loop_core::current("hedge");
  l.require_open("hedge");
  const auto state = runtime::intrusive_ptr<join>::adopt(
      new join(l, delay_ns, attempts, std::move(source)));
  state->begin(join_state::unlimited);
  return future<typename join::result>(state_ref::share(state.get()));
}

template <class A>
concept one_attempt = awaitable_argument<A> && is_coro_v<A>;

template <class T>
coro<T> as_attempt(coro<T> c) {
  return c;
}
template <coro_like A>
auto as_attempt(A&& what) {
  return to_coro(std::forward<A>(what));
}

template <class F, class... Args>
concept makes_awaitable = requires {
  typename awaited_t<
      std::invoke_result_t<const std::decay_t<F>&, const std::decay_t<Args>&...>>;
};

}  // namespace detail

/// Makes one attempt after the other until one succeeds, without waiting for the slow ones:
/// the next is made when the last one made is `delay` old, or at once when one has failed.
///
///     auto [attempt, page] = co_await hedge(50ms, fetch, url);
///     auto [mirror, file] = co_await hedge(hedge_options().delay(1s), fetch(a), fetch(b));
///
/// Given a function it calls `fn(args...)` anew for each attempt, with copies of the
/// arguments that live until the last attempt has ended; given coros, or a range of them,
/// each is one attempt, and those that are not needed are destroyed without having run. The
/// result is the value and the number of the attempt, from 0: see race_result.
///
/// Losers are cancelled, and the future is done when they have ended. Failure: when every
/// attempt has failed it throws an exception_group of the errors, in the order in which they
/// came; `cancelled` if there are none, or if the future itself was cancelled. Throws
/// std::invalid_argument for no attempt, and invalid_state where no loop runs. Cost: one
/// block, and one timer at a time.
template <class F, class... Args>
  requires(detail::makes_awaitable<F, Args...>)
auto hedge(const hedge_options& options, F&& fn, Args&&... args) {
  using source = detail::call_source<std::decay_t<F>, std::decay_t<Args>...>;
  return detail::start_hedge(options.delay_ns(), options.attempts(),
                             source(std::forward<F>(fn), std::forward<Args>(args)...));
}
template <class... As>
  requires(sizeof...(As) > 0 && (detail::one_attempt<As> && ...))
auto hedge(const hedge_options& options, As&&... attempts) {
  using source = detail::coros_source<detail::awaited_t<As>...>;
  return detail::start_hedge(options.delay_ns(), sizeof...(As),
                             source(detail::as_attempt(std::forward<As>(attempts))...));
}
template <detail::awaitable_range Range>
  requires(detail::is_coro_v<std::ranges::range_value_t<Range>>)
auto hedge(const hedge_options& options, Range&& range) {
  using value = detail::awaited_t<std::ranges::range_value_t<Range>>;
  std::vector<coro<value>> all;
  for (auto&& each : range) all.push_back(std::move(each));
  const std::size_t attempts = all.size();
  return detail::start_hedge(options.delay_ns(), attempts,
                             detail::coro_source<value>(std::move(all)));
}
template <class Rep, class Period, class... Args>
  requires(requires(hedge_options o, Args&&... args) {
    hedge(o, std::forward<Args>(args)...);
  })
auto hedge(std::chrono::duration<Rep, Period> delay, Args&&... args) {
  return hedge(hedge_options().delay(delay), std::forward<Args>(args)...);
}

}  // namespace sheaf
