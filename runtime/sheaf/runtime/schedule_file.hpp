#pragma once

#include <sheaf/runtime/schedule.hpp>

#include <filesystem>
#include <memory>
#include <stdexcept>

namespace sheaf::runtime {

class scheduler;

/// A schedule file that is none, or one that the run does not follow. what() is one line that
/// names the file and the line or batch.
class schedule_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Writes down in which order each batch ran: as `inner` says, or first in, first out if that
/// is null.
///
/// A line for each batch of two or more, written before the batch runs, so that a run that
/// crashes in it can be replayed. The file is text: "sheaf-schedule/1", then for each batch
/// its size and, unless they ran in the order they were queued in, the places in the queue of
/// the first to run, the second and so on; at last "end" and the number of batches.
/// Throws std::system_error that names a file which cannot be written; finish() does if that
/// happens later.
std::unique_ptr<schedule> make_recording_schedule(const std::filesystem::path& file,
                                                  std::unique_ptr<schedule> inner);

/// Runs each batch in the order that a recording has for it.
///
/// A batch of another size than the recorded one ends `s.drive()` with a schedule_error, and
/// from there on the order is first in, first out; where the loop is not driven but turned
/// the error is reported to the exception handler. finish() throws one if the recording goes
/// on. Throws std::system_error for a file that cannot be read and schedule_error for one
/// that is no schedule. Borrows the scheduler, which owns it.
std::unique_ptr<schedule> make_replaying_schedule(const std::filesystem::path& file,
                                                  scheduler& s);

}  // namespace sheaf::runtime
