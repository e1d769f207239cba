#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/future.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/task.hpp>

#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace sheaf {

namespace detail {

template <class F, class T>
struct takes_value : std::is_invocable<F, const T&> {};
template <class F>
struct takes_value<F, void> : std::is_invocable<F> {};

/// Calls a continuation with the value, or with the future itself.
template <class T, class F>
decltype(auto) continue_with(F& f, const future<T>& from) {
  if constexpr (!takes_value<F&, T>::value) {
    return std::invoke(f, from);
  } else if constexpr (std::is_void_v<T>) {
    from.result();
    return std::invoke(f);
  } else {
    return std::invoke(f, from.result());
  }
}

template <class T, class F>
using continuation_result = std::remove_cvref_t<decltype(continue_with<T>(
    std::declval<F&>(), std::declval<const future<T>&>()))>;

/// What a continuation's result comes to when it is waited for.
template <class R>
struct flattened {
  using type = R;
  static constexpr bool waits = false;
};
template <class R>
struct flattened<future<R>> {
  using type = R;
  static constexpr bool waits = true;
};
template <class R>
struct flattened<task<R>> : flattened<future<R>> {};
template <class R>
struct flattened<coro<R>> : flattened<future<R>> {};

template <class R>
future<R> as_future(future<R> f) {
  return f;
}
template <class R>
future<R> as_future(coro<R> c) {
  return create_task(std::move(c));
}

/// Keeps `to` with what `f` makes of `from`.
template <class T, class F, class R>
void continue_into(promise<R>& to, F& f, const future<T>& from) {
  using result = continuation_result<T, F>;
  if constexpr (flattened<result>::waits) {
    future<R> inner = as_future(continue_with<T>(f, from));
    inner.add_done_callback(
        [to = std::move(to)](const future<R>& done) mutable { to.copy_state(done); });
  } else if constexpr (std::is_void_v<result>) {
    continue_with<T>(f, from);
    to.try_set_value();
  } else {
    to.try_set_value(continue_with<T>(f, from));
  }
}

}  // namespace detail

template <class T>
template <class F>
auto future<T>::then(F&& f) const {
  using function = std::decay_t<F>;
  using result =
      typename detail::flattened<detail::continuation_result<T, function>>::type;
  promise<result> to(state().loop());
  future<result> out = to.get_future();
  add_done_callback(
      [to = std::move(to), f = function(std::forward<F>(f))](const future& from) mutable {
        if (to.done()) return;
        if constexpr (detail::takes_value<function&, T>::value) {
          if (from.state().status() == detail::future_status::cancelled) {
            return to.cancel_as(from.state().cause());
          }
        }
        try {
          detail::continue_into<T>(to, f, from);
        } catch (const sheaf::cancelled& c) {
          to.cancel_as(c.cause());
        } catch (...) {
          to.try_set_exception(std::current_exception());
        }
      });
  return out;
}

}  // namespace sheaf
