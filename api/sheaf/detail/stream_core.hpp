#pragma once

#include <sheaf/detail/loop_core.hpp>
#include <sheaf/detail/stream_buffer.hpp>
#include <sheaf/detail/stream_filter.hpp>
#include <sheaf/detail/stream_wait.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>
#include <sheaf/runtime/pipe.hpp>
#include <sheaf/runtime/tcp.hpp>
#include <sheaf/runtime/tty.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

namespace sheaf::detail {

/// A connection: libuv's handle, what has come and was not read, what is to be sent and has
/// not gone, and who waits.
///
/// Counted: the stream object holds it, each task that waits at it, and the write in flight,
/// so that what was written goes out after close(). It reads from the first read on; at most
/// one write is with libuv, and what is written meanwhile goes as one when that has gone.
class stream_core final : public runtime::read_sink, public runtime::pooled {
 public:
  /// Nothing once it is closed.
  using raw_stream =
      std::variant<std::monostate, runtime::tcp, runtime::pipe, runtime::tty>;

  static runtime::stream* stream_of(raw_stream& raw) noexcept;

  static constexpr std::size_t default_limit = 65'536;

  stream_core(loop_core& l, raw_stream raw, std::size_t limit);
  stream_core(const stream_core&) = delete;
  stream_core& operator=(const stream_core&) = delete;

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) delete this;
  }

  loop_core& loop() const noexcept { return *loop_; }
  raw_stream& raw() noexcept { return raw_; }
  /// libuv's; not to be asked for once it is gone().
  runtime::stream& handle() const noexcept { return *handle_; }
  bool gone() const noexcept { return handle_ == nullptr; }
  std::uint64_t id() const noexcept { return id_; }

  // ---- reading ----
  stream_buffer& buffer() noexcept { return buffer_; }
  std::size_t limit() const noexcept { return limit_; }
  /// Nothing more will come.
  bool ended() const noexcept { return read_ended_ || closing_; }
  bool at_eof() const noexcept {
    return (closing_ || (read_ended_ && !error_)) && buffer_.empty();
  }
  /// Throws invalid_state if somebody else reads.
  void require_no_reader() const {
    if (reader_) [[unlikely]]
      refuse_reader();
  }
  /// Of a connection that is lost: what comes after the bytes that had come before.
  void throw_error() const {
    if (error_) [[unlikely]]
      std::rethrow_exception(failure());
  }
  /// After a read: goes on reading if it had paused and there is room again.
  void consumed() noexcept {
    if (read_paused_ && buffer_.size() <= limit_) [[unlikely]]
      start_reading();
  }

  // ---- writing ----
  /// Sends what goes at once and queues the rest.
  void write(std::string_view bytes) {
    require_writable();
    if (filter_) [[unlikely]]
      return filter_->write(bytes), throw_error();
    send(bytes);
  }
  void write(std::string&& bytes);
  void write_eof();
  /// Whether drain() need not wait.
  bool may_write_on() const noexcept { return !write_paused_; }
  /// Throws if bytes were written that will never be sent.
  void throw_if_unsent() const {
    if (error_ || dropped_) [[unlikely]]
      throw_unsent();
  }
  void set_write_buffer_limits(std::size_t high, std::size_t low);
  std::size_t high_water() const noexcept { return high_; }
  std::size_t low_water() const noexcept { return low_; }
  /// Bytes written and not yet with the system.
  std::size_t queued() const noexcept;

  // ---- ending ----
  /// Sends what is queued, then closes.
  void close() noexcept;
  /// Closes at once.
  void abort() noexcept;
  /// Before either: who closes. A write after its owner's close is misuse, after anybody
  /// else's an error of the connection, of which the owner could not know.
  void note_owner_closes() noexcept { taken_away_ = false; }
  void note_taken_away() noexcept { taken_away_ = taken_away_ || !closing_; }
  bool is_closing() const noexcept { return closing_ || error_; }
  /// Closed, or lost.
  bool is_lost() const noexcept { return gone() || error_; }
  void on_closed(runtime::unique_function<void()> f) { on_closed_ = std::move(f); }

  // ---- a filter between this and the handle ----
  /// Null: bytes go as they are.
  stream_filter* filter() const noexcept { return filter_.get(); }
  /// Once, while nobody reads; what has come and was not read is the filter's.
  void set_filter(std::unique_ptr<stream_filter> f) noexcept { filter_ = std::move(f); }

  // For a filter:
  /// Whether it is to give out more; else start_reading() resumes it later.
  bool wants_more() const noexcept {
    return reader_waits() || buffer_.size() <= 2 * limit_;
  }
  /// Where the reader wants the next bytes; an empty span for deliver() from elsewhere.
  std::span<char> room() const noexcept {
    return reader_waits() ? reader_->room_ : std::span<char>();
  }
  void deliver(std::string_view plain) noexcept;
  void deliver_end() noexcept;
  /// To the handle: what goes at once, and the rest queued.
  void send(std::string_view bytes);
  /// The connection is lost.
  void fail(std::error_code error, const char* operation) noexcept;
  /// Nothing can be sent any more; what has come can still be read.
  void fail_write(std::error_code error, const char* operation) noexcept;
  void start_reading() noexcept;
  /// Reads from the handle, also after close(): for the peer's answer to it.
  void read_on() noexcept;
  void stop_reading() noexcept;
  /// Until somebody reads, or there is room again.
  void pause_reading() noexcept {
    read_paused_ = true;
    stop_reading();
  }
  void wake_reader() noexcept;
  /// Whether writers are to wait, after what is queued has changed.
  void note_queued() noexcept;
  /// Closes the handle when all that was sent has gone.
  void close_handle() noexcept;

 private:
  friend class read_wait;
  friend class drain_wait;
  friend class closed_wait;
  class flight;
  ~stream_core();

  std::span<char> room(std::span<char> shared) noexcept override;
  void on_read(std::string_view bytes, int error) noexcept override;
  bool reader_waits() const noexcept { return reader_ && reader_->waiting(); }
  void require_writable() const {
    if (error_ || closing_ || eof_written_) [[unlikely]]
      refuse_write();
  }
  [[noreturn]] void refuse_reader() const;
  [[noreturn]] void refuse_write() const;
  [[noreturn]] void throw_unsent() const;
  std::exception_ptr failure() const;
  void put_off(std::string_view bytes);
  void refused(int code);
  void queue(std::string&& bytes);
  void flush();
  void on_written(std::error_code error) noexcept;
  void shut_down() noexcept;
  static void wake_all(line_wait*& first) noexcept;
  void finish_close() noexcept;

  std::uint32_t references_ = 1;
  bool reading_ = false;
  bool read_paused_ = false;  // more than twice the limit has come, or nobody has begun
  bool read_ended_ = false;   // by the peer, or by an error
  bool sending_ = false;      // a write is with libuv
  bool write_paused_ = false;
  bool eof_written_ = false;
  bool closing_ = false;
  bool taken_away_ = false;  // closed by somebody else than its owner
  bool closes_handle_ =
      false;              // when all has gone: a filter may have to say something first
  bool dropped_ = false;  // by abort(): bytes that were written
  runtime::stream* handle_;  // in raw_; null once closed
  read_wait* reader_ = nullptr;
  std::unique_ptr<stream_filter> filter_;
  stream_buffer buffer_;
  std::string unsent_;  // after what is with libuv
  std::error_code error_;
  line_wait* drainers_ = nullptr;
  line_wait* closers_ = nullptr;
  std::size_t limit_;
  std::size_t high_ = 65'536;
  std::size_t low_ = 16'384;
  runtime::intrusive_ptr<loop_core> loop_;
  raw_stream raw_;
  const char* failed_operation_ = "";
  std::uint64_t id_;
  runtime::unique_function<void()> on_closed_;
};

// ---- what stream_wait.hpp declares and a message passes through -------------------------

inline void stream_wait::hold_core() noexcept {
  core_->retain();
  holds_ = true;
}
inline void stream_wait::release_core() noexcept { core_->release(); }

inline bool stream_wait::begin(task_state& t) noexcept {
  task_ = &t;
  if (!holds_) hold_core();
  if (&t.loop() != &core_->loop()) [[unlikely]] {
    stage_ = stage::foreign;
    return false;
  }
  stage_ = stage::waiting;
  t.suspended_on(*this);
  return true;
}

// Entered last: the reading may fail at once, and wakes it then as at any other time.
inline bool read_wait::enter(task_state& t) noexcept {
  if (!begin(t)) [[unlikely]]
    return false;
  core().reader_ = this;
  if (!core().reading_) core().start_reading();
  return true;
}

inline bool read_wait::ready_if(bool enough) const {
  core().require_no_reader();
  return enough || core().ended();
}

inline void read_wait::leave() noexcept {
  if (core().reader_ == this) core().reader_ = nullptr;
  unlisted();
  if (came_ != 0 && task()->interrupted()) [[unlikely]]
    give_back();
}

inline drain_wait::drain_wait(stream_core& c) noexcept : line_wait(c, c.drainers_) {}

inline bool drain_wait::await_ready() const noexcept { return core().may_write_on(); }

inline void drain_wait::await_resume() {
  require_wake();
  core().throw_if_unsent();
}

}  // namespace sheaf::detail
