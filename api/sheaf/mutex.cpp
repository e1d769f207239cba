#include <sheaf/mutex.hpp>

namespace sheaf {

void mutex::refuse_release() {
  throw invalid_state(
      "mutex::release: it is free; acquire it first, and release it once");
}

detail::wait_holder detail::lock_wait::holder() const noexcept {
  return mutex_.locked_ ? mutex_.holder_ : wait_holder{};
}

}  // namespace sheaf
