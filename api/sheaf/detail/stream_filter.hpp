#pragma once

#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace sheaf::detail {

/// What stands between a stream and its handle and changes the bytes: TLS.
///
/// The core owns it and calls it, it calls the core's functions "for a filter". No call of
/// the core's comes from inside one of its own.
class stream_filter {
 public:
  stream_filter() = default;
  stream_filter(const stream_filter&) = delete;
  stream_filter& operator=(const stream_filter&) = delete;
  virtual ~stream_filter() = default;

  /// What the handle read: bytes, valid during the call, or the end, or an error.
  virtual void on_read(std::string_view bytes, std::error_code error) noexcept = 0;
  /// Somebody reads, or there is room again: gives out what it kept back.
  virtual void resume() noexcept = 0;

  virtual void write(std::string_view plain) = 0;
  /// Plain bytes it has not given to the handle yet.
  virtual std::size_t pending() const noexcept = 0;
  virtual void write_eof() = 0;

  /// Says that this side ends, and closes the handle later; false: close it now.
  virtual bool close() noexcept = 0;
  /// The handle is gone.
  virtual void closed() noexcept = 0;

  /// Why it failed the stream; null if it was not the filter that did.
  virtual std::exception_ptr failure() const noexcept = 0;
  /// For stream::get_extra_info().
  virtual std::optional<std::string> info(std::string_view what) const = 0;
};

}  // namespace sheaf::detail
