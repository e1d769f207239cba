#pragma once

#include <sheaf/context_var.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/runtime/schedule_file.hpp>
#include <sheaf/runtime/sigpipe_guard.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace sheaf {

using runtime::schedule_error;

/// How run() runs.
class run_options {
 public:
  /// Writes a Chrome trace of the run to `file`, which `sheaf trace` and Perfetto read.
  run_options& trace(std::filesystem::path file) & {
    trace_ = std::move(file);
    return *this;
  }
  run_options&& trace(std::filesystem::path file) && {
    return std::move(trace(std::move(file)));
  }

  /// Time jumps to the next deadline when nothing else can happen.
  run_options& virtual_time(bool on = true) & {
    loop_.virtual_time(on);
    return *this;
  }
  run_options&& virtual_time(bool on = true) && { return std::move(virtual_time(on)); }

  /// Shuffles what is ready at the same time, reproducibly: see loop_options::seed().
  run_options& seed(std::uint64_t n) & {
    loop_.seed(n);
    return *this;
  }
  run_options&& seed(std::uint64_t n) && { return std::move(seed(n)); }

  /// Writes to `file` in which order all ran that was ready at the same time, under seed()
  /// or without one. Complete up to the last step even if the program crashes.
  run_options& record_schedule(std::filesystem::path file) & {
    record_ = std::move(file);
    return *this;
  }
  run_options&& record_schedule(std::filesystem::path file) && {
    return std::move(record_schedule(std::move(file)));
  }

  /// Runs in the order that record_schedule() wrote to `file`, in place of a seed. A run that
  /// is not the recorded one ends with a schedule_error, which names the batch that differs.
  /// Takes virtual time: nothing else makes two runs alike.
  run_options& replay_schedule(std::filesystem::path file) & {
    replay_ = std::move(file);
    return *this;
  }
  run_options&& replay_schedule(std::filesystem::path file) && {
    return std::move(replay_schedule(std::move(file)));
  }

  /// How many threads to_thread() may use.
  run_options& threads(std::size_t n) & {
    loop_.threads(n);
    return *this;
  }
  run_options&& threads(std::size_t n) && { return std::move(threads(n)); }

  /// Makes the loop, in place of `loop(loop_options)`.
  run_options& loop_factory(std::function<std::unique_ptr<loop>()> make) & {
    factory_ = std::move(make);
    return *this;
  }
  run_options&& loop_factory(std::function<std::unique_ptr<loop>()> make) && {
    return std::move(loop_factory(std::move(make)));
  }

  /// asyncio's debug mode on or off, on the factory's loop as well; without this call
  /// SHEAF_DEBUG decides.
  run_options& debug(bool on = true) & {
    loop_.debug(on);
    return *this;
  }
  run_options&& debug(bool on = true) && { return std::move(debug(on)); }

  /// Ends the program, after the report, when an exception that nobody retrieved is dropped.
  run_options& terminate_on_unretrieved(bool on = true) & {
    loop_.terminate_on_unretrieved(on);
    return *this;
  }
  run_options&& terminate_on_unretrieved(bool on = true) && {
    return std::move(terminate_on_unretrieved(on));
  }

  /// Whether SIGINT (Ctrl-C) cancels main, and run() then throws keyboard_interrupt. It does
  /// on the main thread unless the program has set SIGINT to something itself.
  run_options& handle_sigint(bool on = true) & {
    sigint_ = on;
    return *this;
  }
  run_options&& handle_sigint(bool on = true) && { return std::move(handle_sigint(on)); }

  bool handles_sigint() const noexcept { return sigint_; }
  const std::filesystem::path& trace_file() const noexcept { return trace_; }
  std::unique_ptr<loop> make_loop() const;

 private:
  std::filesystem::path trace_;
  std::filesystem::path record_;
  std::filesystem::path replay_;
  loop_options loop_;
  std::function<std::unique_ptr<loop>()> factory_;
  bool sigint_ = true;
};

/// A loop for several runs: asyncio's Runner.
///
///     runner r;
///     r.run(set_up());
///     r.run(serve());
///
/// The loop is made by the first run() or get_loop() and kept. Tasks left by one run stay
/// pending and go on in the next; all run in one context. Destroying or closing it cancels and awaits them, joins
/// the threads of to_thread(), and closes the loop.
class runner {
 public:
  explicit runner(run_options options = {}) : options_(std::move(options)) {}
  runner(const runner&) = delete;
  runner& operator=(const runner&) = delete;
  ~runner();

  /// Runs `main` to its end and gives its value, or throws what it threw. Throws
  /// invalid_state inside a running loop or after close(), deadlock when every task is
  /// blocked for good, and keyboard_interrupt when SIGINT ended it.
  template <class T>
  T run(coro<T> main, std::source_location at = std::source_location::current()) {
    loop& l = open("run");
    l.require_idle();
    task<T> t = l.create_task(std::move(main), task_options().context(context_), at);
    drive_until(l, t.state());
    return l.run_until_complete(std::move(t));
  }
  template <detail::coro_like A>
  auto run(A&& main, std::source_location at = std::source_location::current()) {
    return run(detail::to_coro(std::forward<A>(main)), at);
  }

  loop& get_loop() { return open("get_loop"); }

  /// Idempotent. Errors of tasks that are shut down go to the exception handler; an error
  /// in writing the trace or the schedule is thrown, and a schedule that is not replayed to
  /// its end.
  void close();
  /// The same, and reports to stderr what it would throw: for where another error is in
  /// flight.
  void close_quietly() noexcept;

 private:
  loop& open(const char* what);
  void drive_until(loop& l, detail::task_state& main);

  run_options options_;
  std::optional<runtime::sigpipe_guard> sigpipe_;  // from the loop's making to its close
  std::unique_ptr<loop> loop_;
  context context_ = copy_context();  // of all its runs
  bool closed_ = false;
};

/// Runs `main` on a loop of its own and gives its value, or throws what it threw:
/// asyncio.run().
///
///     int main() { return sheaf::run(serve()); }
///     sheaf::run(serve(), sheaf::run_options().trace("serve.json"));
///
/// When main has ended, the tasks that are left are cancelled and awaited, the threads of
/// to_thread() are joined and the loop is closed. A task that main does not wait for gets no
/// further than that. Throws invalid_state where a loop runs already, and deadlock, naming
/// each task and its place, if all are blocked and nothing can wake them. An error of main
/// comes out when all of that is done, even if nobody catches it.
///
/// SIGINT on the main thread cancels main, which may clean up; if it ends cancelled by that,
/// run() throws keyboard_interrupt. A second SIGINT leaves run() with it at once. A value of
/// main comes out all the same. SIGPIPE is ignored meanwhile. Both only where the program
/// left the default, and the default is restored.
template <class T>
T run(coro<T> main, run_options options = {},
      std::source_location at = std::source_location::current()) {
  runner r(std::move(options));
  try {
    if constexpr (std::is_void_v<T>) {
      r.run(std::move(main), at);
      return r.close();
    } else {
      T result = r.run(std::move(main), at);
      r.close();
      return result;
    }
  } catch (...) {
    r.close_quietly();  // an error that nobody catches may unwind nothing
    throw;
  }
}

/// The same of wait_for(...), timeout::run(...) and the like.
template <detail::coro_like A>
auto run(A&& main, run_options options = {},
         std::source_location at = std::source_location::current()) {
  return run(detail::to_coro(std::forward<A>(main)), std::move(options), at);
}

}  // namespace sheaf
