#include <sheaf/detail/exception_probe.hpp>
#include <sheaf/exception_group.hpp>
#include <sheaf/runtime/one_line.hpp>

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace sheaf {

namespace {

constexpr std::size_t shown = 3;

std::vector<exception_context> without_context(std::vector<std::exception_ptr> all) {
  std::vector<exception_context> contexts;
  contexts.reserve(all.size());
  for (auto& e : all) contexts.push_back({.message = {}, .exception = std::move(e)});
  return contexts;
}

std::string whose(const exception_context& c) {
  if (c.task_id == 0) return {};
  return " [task " + std::to_string(c.task_id) + ' ' + c.task_name + ']';
}

const exception_group* as_group(const std::exception_ptr& e) noexcept {
  return detail::thrown<exception_group>(e);
}

}  // namespace

struct exception_group::content {
  std::string message;
  std::vector<exception_context> contexts;
  std::vector<child_report> children;
  std::vector<std::exception_ptr> exceptions;
  // Made when first asked for: describing an exception costs as much as throwing it.
  mutable std::once_flag described;
  mutable std::string text;

  content(std::string m, std::vector<exception_context> c, std::vector<child_report> all)
      : message(std::move(m)), contexts(std::move(c)), children(std::move(all)) {
    if (contexts.empty()) {
      throw std::invalid_argument("exception_group: it must hold an exception");
    }
    exceptions.reserve(contexts.size());
    for (const auto& each : contexts) {
      if (!each.exception) {
        throw std::invalid_argument("exception_group: an exception is null");
      }
      exceptions.push_back(each.exception);
    }
  }

  void describe_all() const {
    const std::size_t n = contexts.size();
    std::string line = message + " (" + std::to_string(n) +
                       (n == 1 ? " exception): " : " exceptions): ");
    for (std::size_t i = 0; i < std::min(n, shown); ++i) {
      if (i > 0) line += "; ";
      line += describe(exceptions[i]) + whose(contexts[i]);
    }
    if (n > shown) line += "; and " + std::to_string(n - shown) + " more";
    text = runtime::one_line(std::move(line));
  }
};

exception_group::exception_group(std::string message,
                                 std::vector<exception_context> contexts,
                                 std::vector<child_report> children)
    : content_(std::make_shared<const content>(std::move(message), std::move(contexts),
                                               std::move(children))) {}

exception_group::exception_group(std::string message,
                                 std::vector<std::exception_ptr> exceptions)
    : exception_group(std::move(message), without_context(std::move(exceptions))) {}

const std::string& exception_group::message() const noexcept { return content_->message; }

const std::vector<std::exception_ptr>& exception_group::exceptions() const noexcept {
  return content_->exceptions;
}

const std::vector<exception_context>& exception_group::contexts() const noexcept {
  return content_->contexts;
}

const std::vector<child_report>& exception_group::children() const noexcept {
  return content_->children;
}

const char* exception_group::what() const noexcept {
  try {
    std::call_once(content_->described, [this] { content_->describe_all(); });
    return content_->text.c_str();
  } catch (...) {  // out of memory
    return content_->message.c_str();
  }
}

std::exception_ptr exception_group::find(test wanted) const {
  for (const auto& e : exceptions()) {
    if (const auto* const inner = as_group(e)) {
      if (auto found = inner->find(wanted)) return found;
    } else if (wanted(e)) {
      return e;
    }
  }
  return nullptr;
}

std::optional<exception_group> exception_group::filtered(test wanted, bool keep) const {
  std::vector<exception_context> left;
  for (const auto& c : contexts()) {
    if (const auto* const inner = as_group(c.exception)) {
      if (auto part = inner->filtered(wanted, keep)) {
        left.push_back(c);
        left.back().exception = std::make_exception_ptr(*std::move(part));
      }
    } else if (wanted(c.exception) == keep) {
      left.push_back(c);
    }
  }
  if (left.empty()) return std::nullopt;
  return exception_group(message(), std::move(left));
}

std::exception_ptr exception_group::unwrapped() const {
  const exception_group* group = this;
  while (group->exceptions().size() == 1) {
    const auto& only = group->exceptions().front();
    const auto* const inner = as_group(only);
    if (!inner) return only;
    group = inner;
  }
  return std::make_exception_ptr(*group);
}

}  // namespace sheaf
