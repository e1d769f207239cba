#pragma once

#include <stdexcept>
#include <string>
#include <system_error>

namespace sheaf {

/// The codes of libuv: `value()` is libuv's negative number, `message()` its text. A code
/// that the system has too is equivalent to the std::errc of the same meaning.
const std::error_category& uv_category() noexcept;

/// What libuv or the system refused. what() holds the operation, libuv's name and text:
/// "listen: EADDRINUSE: address already in use".
class uv_error : public std::system_error {
 public:
  uv_error(int code, const std::string& operation);
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

}  // namespace sheaf::runtime
