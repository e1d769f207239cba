#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>

namespace sheaf::runtime {

class trace_recorder;

/// What a trace file says about the run besides its events. 0 and "" stand for "look it
/// up here" (pid, tid: of the caller) or "leave it out".
struct trace_meta {
  std::string process;        // the program's name
  std::string loop = "loop";  // the name of the loop's thread
  std::uint32_t pid = 0;
  std::uint32_t tid = 0;            // of the loop's thread
  std::uint64_t start_unix_ns = 0;  // the wall clock at trace_recorder::start_ns()
  bool virtual_clock = false;
  bool complete = true;  // false when the run was cut short, as after a crash
};

/// Writes a recording as Chrome trace JSON, schema sheaf-trace/1: what Perfetto,
/// chrome://tracing, speedscope and `sheaf trace` read (docs/trace.md has the events).
///
/// The recorder must rest meanwhile. Tasks that still live are ended with "open": true; a
/// step that still runs is in the file only if it was recorded up to now. Costs about 1
/// us a record and 40 bytes of memory a record. Throws std::system_error when `out`
/// fails.
void write_chrome_trace(std::ostream& out, const trace_recorder& recorder,
                        const trace_meta& meta);

/// A trace file. Opened, and emptied, when it is made, so that a path that cannot be
/// written is known before the run and not after it.
///
/// Throws std::system_error that names the path and what the system said. Owns the
/// descriptor. A write that fails half way (a full disk) leaves what was written.
class trace_file {
 public:
  explicit trace_file(const std::filesystem::path& path);
  ~trace_file();
  trace_file(const trace_file&) = delete;
  trace_file& operator=(const trace_file&) = delete;

  /// Writes and closes the file; call it once.
  void write(const trace_recorder& recorder, const trace_meta& meta);

 private:
  [[noreturn]] void fail(int error, const char* verb) const;
  void append(const char* data, std::size_t size) const;
  void close();

  std::filesystem::path path_;
  int descriptor_;
};

/// trace_file(path).write(recorder, meta)
void write_chrome_trace(const std::filesystem::path& path, const trace_recorder& recorder,
                        const trace_meta& meta);

}  // namespace sheaf::runtime
