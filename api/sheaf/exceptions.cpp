#include <sheaf/exceptions.hpp>
#include <sheaf/runtime/one_line.hpp>

#include <array>
#include <cstddef>
#include <utility>

namespace sheaf {

const std::string& to_string(cancel_why why) noexcept {
  static const std::array<std::string, 6> words{"",
                                                "the time limit has passed",
                                                "a sibling failed",
                                                "it is not needed any more",
                                                "its scope was left",
                                                "the loop is ending"};
  const auto i = static_cast<std::size_t>(why);
  return words[i < words.size() ? i : 0];
}

namespace detail {

namespace {

std::string name_of(const cancel_cause& c) {
  if (!c.by_name().empty() || c.by() == 0) return c.by_name();
  return std::string("Task-").append(std::to_string(c.by()));
}

}  // namespace

std::string cancel_cause::describe() const {
  std::string line = text();
  if (by_ != 0) {
    if (!line.empty()) line += ", ";
    line += "by task " + std::to_string(by_) + " '" + name_of(*this) + '\'';
  }
  if (at_.line() != 0) {
    if (!line.empty()) line += ' ';
    line += std::string("at ") + at_.file_name() + ':' + std::to_string(at_.line());
  }
  return runtime::one_line(std::move(line));
}

}  // namespace detail

const std::string& cancelled::reason() const noexcept {
  return cause_ ? cause_->text() : to_string(cancel_why::requested);
}

std::string cancelled::by_name() const {
  return cause_ ? detail::name_of(*cause_) : std::string();
}

}  // namespace sheaf
