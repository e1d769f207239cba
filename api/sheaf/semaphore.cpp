#include <sheaf/semaphore.hpp>

#include <stdexcept>

namespace sheaf {

semaphore::semaphore(std::ptrdiff_t permits, std::ptrdiff_t bound)
    : permits_(permits), bound_(bound) {
  if (permits < 0) throw std::invalid_argument("semaphore: a number of permits below 0");
}

void semaphore::refuse_release() {
  throw invalid_state(
      "bounded_semaphore::release: it has all its permits; release each one once");
}

}  // namespace sheaf
