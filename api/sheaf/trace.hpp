#pragma once

#include <filesystem>
#include <string_view>
#include <utility>

namespace sheaf {

/// What trace::start() records to.
class trace_options {
 public:
  /// The file to write; "trace.json" without this.
  trace_options& path(std::filesystem::path file) & {
    path_ = std::move(file);
    return *this;
  }
  trace_options&& path(std::filesystem::path file) && {
    return std::move(path(std::move(file)));
  }

  const std::filesystem::path& file() const noexcept { return path_; }

 private:
  std::filesystem::path path_ = "trace.json";
};

namespace trace {

/// Records the loop that runs here from now on. The tasks that live are in the file from
/// their next step. Throws std::system_error if the file cannot be written, and invalid_state
/// if the loop is being traced already or the library was built without tracing.
void start(const trace_options& options = {});

/// Ends the recording and writes the file: a Chrome trace, for Perfetto and `sheaf trace`.
/// Without effect if there is none. Throws std::system_error if the file cannot take it.
void stop();

/// Puts a mark with that name into the trace, at this moment. Without effect where no loop
/// runs or nothing is recorded. Keep names few: the recording holds 4,096 different ones.
void mark(std::string_view name);

}  // namespace trace
}  // namespace sheaf
