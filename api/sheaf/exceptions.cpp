#include <sheaf/exceptions.hpp>

namespace sheaf {

const std::string& cancelled::reason() const noexcept {
  static const std::string none;
  return cause_ ? cause_->text() : none;
}

}  // namespace sheaf
