#include "command.hpp"

#include <array>
#include <cstdio>
#include <exception>
#include <iostream>

namespace sheaf::tools {

namespace {

constexpr std::string_view help =
    R"(sheaf: look into what a program with the sheaf library did

  $ SHEAF_TRACE=run.json ./your-program      record a run, without changing the program
  $ sheaf trace summary run.json             what happened, on one screen
  $ sheaf trace tasks run.json               each task: how long it ran, was ready, waited
  $ sheaf trace check run.json               is the file one that every viewer reads?

A trace file also opens in Perfetto, chrome://tracing and speedscope.

  sheaf trace --help     all about traces
)";

constexpr std::string_view trace_help = R"(sheaf trace: read trace files

  $ SHEAF_TRACE=run.json ./your-program
  $ sheaf trace summary run.json

  sheaf trace summary [--json] FILE...
      What happened: time asleep and busy, tasks by outcome, queue latency, warnings.
  sheaf trace tasks [--sort id|alive|busy|ready|wait|steps|longest] [--name TEXT] FILE
      One line a task. TEXT picks the tasks whose name contains it.
      alive = from spawn to end, busy = running, ready = queued to run, wait = suspended.
  sheaf trace diff A B
      Did the tasks of two runs do the same, in the same order? Times do not count, unless
      both ran on the virtual clock; else the first event that differs.
  sheaf trace check FILE...
      Checks that FILE keeps the rules under which Perfetto, chrome://tracing, speedscope
      and DevTools all show the same; one line a violation.
  sheaf trace export --speedscope FILE -o OUT
      A copy for speedscope, which makes one frame out of equal names: slices, no args.

Exit code: 0, or 1 when check finds a violation or diff a difference, or 2 for a wrong
command line or a file that cannot be read.
)";

struct verb {
  std::string_view name;
  int (*run)(arguments);
};

constexpr std::array<verb, 5> trace_verbs{{{"summary", trace_summary},
                                           {"check", trace_check},
                                           {"tasks", trace_tasks},
                                           {"diff", trace_diff},
                                           {"export", trace_export}}};

bool asks_help(arguments words) {
  for (const auto word : words) {
    if (word == "--help" || word == "-h") return true;
  }
  return false;
}

std::string in_quotes(std::string_view word) { return "'" + std::string(word) + "'"; }

int dispatch(arguments words) {
  if (words.empty()) throw usage_error("which command? sheaf --help shows them");
  if (words[0] == "trace") return run_trace(words.subspan(1));
  if (asks_help(words.first(1)) || words[0] == "help") {
    std::cout << help;
    return exit_fine;
  }
  throw usage_error("unknown command " + in_quotes(words[0]) +
                    ", sheaf --help shows all");
}

// A closed pipe or a full disk behind standard output is a failure too.
int flushed(int code) {
  std::cout.flush();
  if (std::cout && std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  throw file_error("cannot write to standard output");
}

}  // namespace

std::string_view option_reader::next() {
  const auto word = words_.front();
  words_ = words_.subspan(1);
  const auto equals = word.find('=');
  has_attached_ = word.starts_with("--") && equals != word.npos;
  option_ = has_attached_ ? word.substr(0, equals) : word;
  attached_ = has_attached_ ? word.substr(equals + 1) : std::string_view{};
  return option_;
}

std::string_view option_reader::value() {
  if (has_attached_) return attached_;
  if (words_.empty()) throw usage_error(std::string(option_) + " needs a value");
  const auto word = words_.front();
  words_ = words_.subspan(1);
  return word;
}

void option_reader::no_value() const {
  if (has_attached_) throw usage_error(std::string(option_) + " takes no value");
}

void unknown_option(std::string_view verb_name, std::string_view text) {
  throw usage_error(std::string(verb_name) + ": unknown option " + in_quotes(text) +
                    ", sheaf trace --help shows all");
}

int run_trace(arguments words) {
  if (words.empty()) throw usage_error("which verb? sheaf trace --help shows them");
  if (asks_help(words) || words[0] == "help") {
    std::cout << trace_help;
    return exit_fine;
  }
  for (const auto& known : trace_verbs) {
    if (known.name == words[0]) return known.run(words.subspan(1));
  }
  throw usage_error("unknown verb " + in_quotes(words[0]) +
                    ", sheaf trace --help shows all");
}

int run(arguments words) noexcept {
  try {
    return flushed(dispatch(words));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sheaf: %s\n", error.what());
    return exit_failed;
  }
}

}  // namespace sheaf::tools
