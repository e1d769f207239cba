#include <sheaf/detail/stream_core.hpp>
#include <sheaf/runtime/error.hpp>

#include <cerrno>
#include <stdexcept>

namespace sheaf::detail {

// Nothing may overtake what is with libuv.
void stream_core::send(std::string_view bytes) {
  if (bytes.empty() || gone()) return;
  if (!sending_) {
    const long n = handle_->try_send(bytes);
    if (n == static_cast<long>(bytes.size())) [[likely]]
      return;
    if (n < 0) return refused(static_cast<int>(n));
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  put_off(bytes);
}

void stream_core::put_off(std::string_view bytes) {
  if (unsent_.empty()) return queue(std::string(bytes));
  unsent_.append(bytes);
  note_queued();
}

void stream_core::refused(int code) {
  fail_write({code, uv_category()}, "write");
  throw_error();
}

void stream_core::write(std::string&& bytes) {
  if (!sending_ || filter_ || !unsent_.empty()) return write(std::string_view(bytes));
  require_writable();
  if (!bytes.empty()) queue(std::move(bytes));
}

void stream_core::queue(std::string&& bytes) {
  unsent_ = std::move(bytes);
  if (!sending_) flush();
  note_queued();
}

/// The callback of the write in flight. It holds the core: what was written goes out although
/// the stream is gone. A loop that closes destroys it uncalled.
class stream_core::flight {
 public:
  explicit flight(stream_core& c) noexcept : core_(stream_ref::share(&c)) {}
  flight(flight&&) noexcept = default;
  ~flight() {
    if (core_ && !core_->gone()) core_->fail_write({-ECANCELED, uv_category()}, "write");
  }
  void operator()(std::error_code e) { std::exchange(core_, {})->on_written(e); }

 private:
  stream_ref core_;
};

void stream_core::flush() {
  sending_ = true;
  handle_->write(std::exchange(unsent_, {}), flight(*this));
}

void stream_core::on_written(std::error_code error) noexcept {
  sending_ = false;
  if (error) return fail_write(error, "write");
  if (!unsent_.empty()) {
    try {
      flush();
    } catch (const uv_error& e) {
      return fail_write(e.code(), "write");
    }
  }
  note_queued();
  if (sending_) return;
  if (closes_handle_) return finish_close();
  if (eof_written_ && !filter_) shut_down();
}

std::size_t stream_core::queued() const noexcept {
  if (gone()) return 0;
  return (sending_ ? handle_->write_queue_size() : 0) + unsent_.size() +
         (filter_ ? filter_->pending() : 0);
}

void stream_core::note_queued() noexcept {
  const std::size_t n = queued();
  if (n > high_) write_paused_ = true;
  if (!write_paused_ || n > low_) return;
  write_paused_ = false;
  wake_all(drainers_);
}

void stream_core::set_write_buffer_limits(std::size_t high, std::size_t low) {
  if (low > high) {
    throw std::invalid_argument("set_write_buffer_limits: low is above high");
  }
  high_ = high;
  low_ = low;
  if (!is_lost()) note_queued();
}

void stream_core::write_eof() {
  if (is_closing() || std::exchange(eof_written_, true)) return;
  if (filter_) return filter_->write_eof();
  if (!sending_) shut_down();
}

// A peer that has gone has taken its side down already. What is no socket has no half to
// close: a pipe is closed.
void stream_core::shut_down() noexcept {
  const auto done = [this](std::error_code e) {
    if (e == std::errc::not_a_socket) return close();
    if (e && e != std::errc::not_connected) fail_write(e, "write_eof");
  };
  try {
    handle_->shutdown(done);
  } catch (const uv_error& e) {
    done(e.code());
  } catch (const invalid_state&) {
    close();  // with its loop
  }
}

}  // namespace sheaf::detail
