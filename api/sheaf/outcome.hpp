#pragma once

#include <sheaf/exceptions.hpp>
#include <sheaf/fwd.hpp>

#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

namespace sheaf {

/// How something ended: a value, an exception or a cancellation. A plain value: copied and
/// moved as T is; it owns what it holds.
template <class T>
class outcome {
 public:
  using value_type = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  outcome()
    requires std::is_void_v<T>
      : is_(std::in_place_index<0>) {}
  template <class U = value_type>
    requires(std::is_constructible_v<value_type, U &&> &&
             !std::is_same_v<std::remove_cvref_t<U>, outcome>)
  outcome(U&& value)  // NOLINT: converts
      : is_(std::in_place_index<0>, std::forward<U>(value)) {}
  outcome(std::exception_ptr error) : is_(std::in_place_index<1>, std::move(error)) {}
  outcome(cancelled c) : is_(std::in_place_index<2>, std::move(c)) {}

  bool has_value() const noexcept { return is_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }
  bool is_cancelled() const noexcept { return is_.index() == 2; }

  /// The value; throws the error, or `cancelled`, if there is none.
  const value_type& value() const& {
    require_value();
    return std::get<0>(is_);
  }
  value_type& value() & {
    require_value();
    return std::get<0>(is_);
  }
  value_type value() && {
    require_value();
    return std::get<0>(std::move(is_));
  }

  /// The exception; null for a value. A cancellation is given as an exception too.
  std::exception_ptr error() const {
    if (is_.index() == 1) return std::get<1>(is_);
    return is_cancelled() ? std::make_exception_ptr(std::get<2>(is_)) : nullptr;
  }
  /// How it was cancelled; only if it was.
  const cancelled& cancellation() const { return std::get<2>(is_); }

 private:
  void require_value() const {
    if (is_.index() == 1) std::rethrow_exception(std::get<1>(is_));
    if (is_.index() == 2) throw std::get<2>(is_);
  }

  std::variant<value_type, std::exception_ptr, cancelled> is_;
};

}  // namespace sheaf
