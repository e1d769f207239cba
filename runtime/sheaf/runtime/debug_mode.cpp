#include <sheaf/runtime/debug_mode.hpp>

#include <cstdlib>
#include <string_view>

namespace sheaf::runtime {

bool debug_mode::asked_by_environment() noexcept {
  const char* const wish = std::getenv("SHEAF_DEBUG");
  return wish && std::string_view(wish) != "" && std::string_view(wish) != "0";
}

const void* debug_mode::this_thread() noexcept {
  static constinit thread_local char here = 0;
  return &here;
}

}  // namespace sheaf::runtime
