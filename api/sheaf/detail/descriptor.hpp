#pragma once

#include <sheaf/detail/loop_core.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>

#include <memory>
#include <optional>
#include <string>

namespace sheaf::detail {

/// An open file of the system's, closed by a thread when the last who uses it has gone: its
/// file, and every request that a thread may be at, since a number that is closed too early
/// may be another file's by then. Where its loop is closed already it is closed at once.
class descriptor {
 public:
  descriptor(loop_core& l, int number, std::string path) noexcept
      : loop_(runtime::intrusive_ptr<loop_core>::share(&l)),
        number_(number),
        path_(std::move(path)) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor();

  int number() const noexcept { return number_; }
  const std::string& path() const noexcept { return path_; }

  /// Settles when it is closed, with the error of that; else the loop's handler gets it.
  future<> closed();

 private:
  void close_on_thread(runtime::loop& l);

  runtime::intrusive_ptr<loop_core> loop_;
  int number_;
  std::string path_;
  std::optional<promise<>> closed_;
};

using descriptor_ref = std::shared_ptr<descriptor>;

/// Takes over what was opened on the loop that runs here.
descriptor_ref take_over(int number, std::string path);

}  // namespace sheaf::detail
