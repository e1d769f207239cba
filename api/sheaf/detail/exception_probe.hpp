#pragma once

#include <exception>
#include <typeinfo>

namespace sheaf::detail {

/// The exception that `e` holds if its type is exactly E, else null. Valid while `e` is.
///
/// Looks instead of rethrowing, which costs as much as the throw did: an exception_ptr of
/// libstdc++ is a pointer to the exception object and tells its type.
template <class E>
const E* thrown(const std::exception_ptr& e) noexcept {
  if (!e) return nullptr;
#if defined(__GLIBCXX__)
  static_assert(sizeof(std::exception_ptr) == sizeof(void*));
  if (*e.__cxa_exception_type() != typeid(E)) return nullptr;
  return *reinterpret_cast<const E* const*>(&e);
#else
  try {
    std::rethrow_exception(e);
  } catch (const E& found) {
    return &found;  // the object is shared with `e`
  } catch (...) {
    return nullptr;
  }
#endif
}

}  // namespace sheaf::detail
