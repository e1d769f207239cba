#pragma once

#include <cstddef>
#include <type_traits>
#include <variant>

namespace sheaf {

/// A value and which of the arguments gave it, from 0: `auto [index, value] = co_await ...`.
template <class T>
struct indexed {
  std::size_t index;
  T value;

  friend bool operator==(const indexed&, const indexed&) = default;
};

namespace detail {

template <class T>
using nothing_for_void = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class First, class... Rest>
struct one_of {
  using type = std::conditional_t<(std::is_same_v<First, Rest> && ...), First,
                                  std::variant<First, Rest...>>;
};
template <class... Ts>
using one_of_t = typename one_of<nothing_for_void<Ts>...>::type;

}  // namespace detail

/// What one of several awaitables gave: its value if all are of one type, else a
/// std::variant with an alternative for each argument, in their order, even where types
/// repeat, so that std::get<1> is the second argument's. std::monostate for void.
template <class... Ts>
using race_result = indexed<detail::one_of_t<Ts...>>;

}  // namespace sheaf
