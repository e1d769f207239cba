#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace sheaf {

/// The codes of libuv: `value()` is libuv's negative number, `message()` its text. A code
/// that the system has too is equivalent to the std::errc of the same meaning.
const std::error_category& uv_category() noexcept;

/// What libuv or the system refused. what() holds the operation, the path where there is one,
/// and libuv's name and text: "listen: EADDRINUSE: address already in use",
/// "fs::open 'a.txt': ENOENT: no such file or directory". Copies never throw.
class uv_error : public std::system_error {
 public:
  uv_error(int code, const std::string& operation);
  /// A NUL in the path ends what is shown of it.
  uv_error(int code, const std::string& operation, std::string_view path);

  /// "fs::open"
  const std::string& operation() const noexcept { return facts_->operation; }
  /// What the operation was about: a file, a program, a host; empty if nothing.
  const std::string& path() const noexcept { return facts_->path; }
  /// libuv's name of the code: "ENOENT".
  std::string name() const;

 private:
  struct facts {
    std::string operation;
    std::string path;
  };
  std::shared_ptr<const facts> facts_;
};

/// The library was used wrongly; what() says how, and what to do instead.
class invalid_state : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

}  // namespace sheaf

namespace sheaf::runtime {

/// Throws uv_error if `code` is one of libuv's (negative) errors; gives `code` otherwise.
int checked(int code, const char* operation);
int checked(int code, const char* operation, std::string_view path);

}  // namespace sheaf::runtime
