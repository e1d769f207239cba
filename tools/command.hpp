#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sheaf::tools {

/// The words of a command line behind the program's name, or behind a verb.
using arguments = std::span<const std::string_view>;

/// Exit codes of every verb.
enum exit_code : int {
  exit_fine = 0,
  exit_found = 1,  ///< the command worked and found a problem
  exit_failed = 2  ///< bad usage, or a file that cannot be read
};

/// The command line makes no sense; what() is one line for the user.
struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A file cannot be read or written; what() is one line that names it.
struct file_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Runs the `sheaf` command; never throws for a mistake of the user's. What it prints
/// goes to standard output, mistakes to standard error.
int run(arguments words) noexcept;

/// `sheaf trace ...`
int run_trace(arguments words);

/// The verbs of `sheaf trace`, each with the words behind its name.
int trace_summary(arguments words);
int trace_check(arguments words);
int trace_tasks(arguments words);
int trace_diff(arguments words);
int trace_export(arguments words);

/// Takes `--name VALUE` or `--name=VALUE` out of a line word by word.
///
///     option_reader line(words);
///     while (auto word = line.next()) { if (word->is("--sort")) sort = word->value(); }
class option_reader {
 public:
  explicit option_reader(arguments words) : words_(words) {}

  bool done() const { return words_.empty(); }

  /// The next word, without the "=VALUE" of an option.
  std::string_view next();
  /// The value of the option that next() gave; a usage_error when there is none.
  std::string_view value();
  /// A usage_error when next() was an option that takes no value and has one.
  void no_value() const;

 private:
  arguments words_;
  std::string_view option_;
  std::string_view attached_;
  bool has_attached_ = false;
};

/// `text` is an option of which this verb knows nothing.
[[noreturn]] void unknown_option(std::string_view verb, std::string_view text);

}  // namespace sheaf::tools
