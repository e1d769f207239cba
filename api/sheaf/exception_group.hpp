#pragma once

#include <sheaf/child_report.hpp>
#include <sheaf/runtime/exception_context.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sheaf {

/// Several errors as one: asyncio's ExceptionGroup. What a task_group throws.
///
///     catch (const sheaf::exception_group& failed) {
///       for (const auto& e : failed.exceptions()) log(sheaf::describe(e));
///     }
///
/// A value whose copies share what they hold; never empty. A group may hold groups. Order:
/// as the errors came. Thread: may be read on any, as what it holds may.
class exception_group final : public std::exception {
 public:
  /// Throws std::invalid_argument if there is no exception, or one is null.
  exception_group(std::string message, std::vector<std::exception_ptr> exceptions);
  /// The same, with what is known of each: whose it was, and where that was made.
  /// And of the children among which they were.
  exception_group(std::string message, std::vector<exception_context> contexts,
                  std::vector<child_report> children = {});

  const std::string& message() const noexcept;
  const std::vector<std::exception_ptr>& exceptions() const noexcept;
  /// One for each of exceptions(), in their order: the task, where it was made, and where it
  /// last waited. describe(context) is one line.
  const std::vector<exception_context>& contexts() const noexcept;
  /// What became of the children of the task_group, quorum, first_success or hedge that
  /// failed, in the order in which they were made, with the times of each. Of those of a
  /// task_group that had ended before the first failure there are the last 1,024, or as many
  /// as keep_reports() said, so that it may go on for ever. Empty in what split() gives.
  const std::vector<child_report>& children() const noexcept;

  /// One line: the message, how many there are, and the first of them.
  const char* what() const noexcept override;

  /// The first exception that is an E or derived from it; null if there is none. Looks into
  /// the groups that it holds, which are not candidates themselves.
  template <class E>
  std::exception_ptr first_of() const {
    return find(&is<E>);
  }

  /// Python's split(E): those that are an E, and the others, each as a group nested as this
  /// one is; none where there would be nothing in it.
  struct parts;
  template <class E>
  parts split() const;

  /// The only exception, if there is just one, in however many groups; else this group.
  std::exception_ptr unwrapped() const;

 private:
  struct content;
  using test = bool (*)(const std::exception_ptr&) noexcept;

  template <class E>
  static bool is(const std::exception_ptr& e) noexcept {
    try {
      std::rethrow_exception(e);
    } catch (const E&) {
      return true;
    } catch (...) {
      return false;
    }
  }
  std::exception_ptr find(test wanted) const;
  std::optional<exception_group> filtered(test wanted, bool keep) const;

  std::shared_ptr<const content> content_;
};

struct exception_group::parts {
  std::optional<exception_group> matching;
  std::optional<exception_group> others;
};

template <class E>
exception_group::parts exception_group::split() const {
  return {filtered(&is<E>, true), filtered(&is<E>, false)};
}

}  // namespace sheaf
