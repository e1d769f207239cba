#pragma once

#include <filesystem>
#include <memory>

namespace sheaf::runtime {

class scheduler;

/// Records a loop from here to finish(), then writes the Chrome trace.
///
/// The file is opened at once, so that a path that cannot be written is an error at the
/// start and not after the work. Borrows the scheduler. Thread: the loop's.
class trace_session {
 public:
  /// Throws std::system_error that names the file, and invalid_state if the library was
  /// built without tracing or the loop is being traced already.
  trace_session(scheduler& s, const std::filesystem::path& file);
  trace_session(const trace_session&) = delete;
  trace_session& operator=(const trace_session&) = delete;
  /// Finishes; an error in writing is reported to the exception handler.
  ~trace_session();

  /// Stops recording and writes. Throws std::system_error if the file cannot take it.
  void finish();

 private:
  struct recording;
  scheduler& scheduler_;
  std::unique_ptr<recording> recording_;  // null once finished
};

/// The file that SHEAF_TRACE asks for, or an empty path. The second loop of a process that
/// asks gets "-2" before the ending, and so on.
std::filesystem::path next_trace_file_of_environment();

}  // namespace sheaf::runtime
