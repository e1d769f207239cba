#include <sheaf/connect_error.hpp>

#include <string>
#include <utility>

namespace sheaf {

namespace {

std::string text_of(const std::vector<uv_error>& errors) {
  std::string all = "none of " + std::to_string(errors.size()) + " addresses answers: ";
  for (const uv_error& e : errors) all += std::string(e.what()) + "; ";
  return all + "the first is";
}

}  // namespace

connect_error::connect_error(std::vector<uv_error> errors)
    : uv_error(errors.at(0).code().value(), text_of(errors)),
      errors_(std::make_shared<const std::vector<uv_error>>(std::move(errors))) {}

}  // namespace sheaf
