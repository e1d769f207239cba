#pragma once

#include <sheaf/coro.hpp>
#include <sheaf/runtime/unique_function.hpp>
#include <sheaf/stream.hpp>

#include <type_traits>
#include <utility>

namespace sheaf::detail {

/// What a server calls with each connection: a function that gives a coro<>, or a plain one,
/// which is then called in a task as well. Owns it; it stays where it is while it is used.
class connection_handler {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, connection_handler> &&
             std::is_invocable_v<std::decay_t<F>&, stream>)
  connection_handler(F&& f)  // NOLINT: converts
      : f_(make(std::forward<F>(f))) {}

  coro<> operator()(stream s) { return f_(std::move(s)); }

 private:
  using function = runtime::unique_function<coro<>(stream)>;

  template <class F>
  struct plain {
    F f;
    coro<> operator()(stream s) {
      f(std::move(s));
      co_return;
    }
  };

  template <class F>
  static function make(F&& f) {
    using held = std::decay_t<F>;
    if constexpr (std::is_void_v<std::invoke_result_t<held&, stream>>) {
      return plain<held>{std::forward<F>(f)};
    } else {
      return std::forward<F>(f);
    }
  }

  function f_;
};

}  // namespace sheaf::detail
