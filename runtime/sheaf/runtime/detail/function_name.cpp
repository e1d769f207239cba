#include <sheaf/runtime/detail/function_name.hpp>

#include <vector>

namespace sheaf::runtime::detail {

namespace {

constexpr std::size_t most = 40;  // characters of a name with its arguments

// Walks back from the closing bracket at `end` - 1 to the one that opens it; npos if none
// does.
std::size_t opening(std::string_view text, std::size_t end) {
  int depth = 0;
  for (std::size_t i = end; i-- > 0;) {
    const char c = text[i];
    const bool arrow = c == '>' && i > 0 && text[i - 1] == '-';
    if (c == ')' || c == ']' || c == '}' || (c == '>' && !arrow)) ++depth;
    if (c == '(' || c == '[' || c == '{' || c == '<') --depth;
    if (depth == 0) return i;
  }
  return text.npos;
}

// " [with T = int]" of g++, " [T = int]" of clang, and " const" and the like.
std::string_view without_tail(std::string_view text) {
  if (text.ends_with(']')) {
    const auto at = opening(text, text.size());
    if (at != text.npos && at > 0 && text[at - 1] == ' ') text = text.substr(0, at - 1);
  }
  while (!text.empty() && text.back() != ')' && text.back() != '>') {
    const auto space = text.rfind(' ');
    if (space == text.npos || text.find_first_of("(<{", space) != text.npos) break;
    text = text.substr(0, space);
  }
  return text;
}

// The parts between "::" and spaces outside of brackets, last first; a space ends it.
std::vector<std::string_view> parts_from_the_end(std::string_view text) {
  std::vector<std::string_view> parts;
  auto end = text.size();
  for (auto i = end; i > 0;) {
    const char c = text[i - 1];
    if (c == ')' || c == ']' || c == '}' || c == '>') {
      const auto open = opening(text, i);
      if (open == text.npos) break;
      i = open;
    } else if (c == ' ' || c == '*' || c == '&') {
      parts.push_back(text.substr(i, end - i));
      return parts;
    } else if (c == ':' && i > 1) {
      parts.push_back(text.substr(i, end - i));
      end = i -= 2;
    } else {
      --i;
    }
  }
  parts.push_back(text.substr(0, end));
  return parts;
}

// Inside a coroutine g++ 12 names the function that it makes of it: "void app::fetch(
// app::fetch(int)::_ZN3app5fetchEi.Frame*)".
std::string_view without_frame(std::string_view full) {
  if (!full.ends_with(".Frame*)")) return full;
  const auto open = opening(full, full.size());
  const auto mangled = full.rfind("::_Z");
  if (open == full.npos || mangled == full.npos || mangled < open) return full;
  return full.substr(open + 1, mangled - open - 1);
}

std::string_view without_arguments(std::string_view part) {
  return part.substr(0, part.ends_with(')') ? opening(part, part.size()) : part.npos);
}

std::string_view arguments_of(std::string_view part) {
  return part.substr(without_arguments(part).size());
}

std::string with_arguments(std::string name, std::string_view arguments) {
  if (arguments == "(void)") arguments = "()";
  if (name.size() + arguments.size() > most) arguments = "(...)";
  return name += arguments;
}

std::string in_function(const std::vector<std::string_view>& parts, std::size_t lambda) {
  if (lambda >= parts.size()) return "lambda";
  return std::string(without_arguments(parts[lambda])) + "::lambda";
}

}  // namespace

std::string short_function_name(std::string_view full) {
  const auto parts = parts_from_the_end(without_tail(without_frame(full)));
  const std::string_view last = parts.front();
  // g++: main()::<lambda(int)>
  if (last.starts_with("<lambda")) {
    auto arguments = last.substr(7, last.size() - 8);
    return with_arguments(in_function(parts, 1), arguments);
  }
  // clang: main()::(anonymous class)::operator()(int)
  if (parts.size() > 1 && parts[1] == "(anonymous class)") {
    return with_arguments(in_function(parts, 2), arguments_of(last));
  }
  auto name = without_arguments(last);
  if (name.ends_with('>') && !name.starts_with("operator")) {
    name = name.substr(0, opening(name, name.size()));
  }
  if (name.empty()) return std::string(full);
  std::string class_of_operator;
  if (name.starts_with("operator") && parts.size() > 1) {
    class_of_operator = std::string(parts[1]) + "::";
  }
  return with_arguments(class_of_operator + std::string(name), arguments_of(last));
}

}  // namespace sheaf::runtime::detail
