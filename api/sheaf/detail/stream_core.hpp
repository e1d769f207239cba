#pragma once

#include <sheaf/detail/stream_buffer.hpp>
#include <sheaf/detail/stream_filter.hpp>
#include <sheaf/detail/suspension.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>
#include <sheaf/runtime/pipe.hpp>
#include <sheaf/runtime/tcp.hpp>
#include <sheaf/runtime/tty.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

namespace sheaf::detail {

class stream_core;

/// What a task waits for at a stream; stands in the awaiting frame.
class stream_wait : public suspension {
 public:
  using awaits_in_task = void;

  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) noexcept {
    begin(*h.promise().task());
  }
  const char* kind() const noexcept override { return "stream"; }
  std::uint64_t object() const noexcept override;
  bool cancel(const cancel_ref&) noexcept final;
  void interrupt() noexcept final;

 protected:
  explicit stream_wait(stream_core& c) noexcept : core_(&c) {}
  ~stream_wait() { leave(); }

  stream_core& core() const noexcept { return *core_; }
  bool waiting() const noexcept { return waiting_; }
  /// First thing on resuming.
  void resumed() {
    if (task_) task_->throw_if_interrupted();
  }

 private:
  friend class stream_core;
  void begin(task_state& t) noexcept;
  void leave() noexcept;
  /// Puts this where the core finds it, and takes it away again.
  virtual void enter() noexcept = 0;
  virtual void withdraw() noexcept = 0;
  void wake() noexcept {
    waiting_ = false;
    task_->wake();
  }

  stream_core* core_;
  task_state* task_ = nullptr;
  bool waiting_ = false;
};

/// Waits until what has come is enough for it.
class read_wait : public stream_wait {
 protected:
  explicit read_wait(stream_core& c) noexcept : stream_wait(c) {}
  ~read_wait() = default;
  /// Whether it need not wait. Throws invalid_state if another task reads.
  bool ready_if(bool enough) const;

 private:
  friend class stream_core;
  void enter() noexcept final;
  void withdraw() noexcept final;
  /// Whether it need not wait (any longer): the buffer holds enough.
  virtual bool satisfied() noexcept = 0;
  /// Where it wants the next bytes; an empty span for the core's buffer.
  virtual std::span<char> room() const noexcept { return {}; }
  virtual void took(std::size_t) noexcept {}
};

/// Waits until the peer has taken enough of what was written.
class drain_wait final : public stream_wait {
 public:
  explicit drain_wait(stream_core& c) noexcept : stream_wait(c) {}
  bool await_ready() const noexcept;
  void await_resume();

 private:
  friend class stream_core;
  void enter() noexcept override;
  void withdraw() noexcept override;

  drain_wait* prev_ = nullptr;
  drain_wait* next_ = nullptr;
};

/// A connection: libuv's handle, what has come and was not read, and who waits.
///
/// Counted: the stream object holds it, a server that counts its connections, and itself
/// while it sends what is left after close().
class stream_core : public runtime::pooled {
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
  bool eof() const noexcept { return eof_; }
  bool at_eof() const noexcept { return eof_ && buffer_.empty(); }
  /// Nothing more will come.
  bool ended() const noexcept { return eof_ || error_ || closing_; }
  /// Throws invalid_state if somebody else reads.
  void require_no_reader() const;
  void throw_error() const;
  /// After a read: goes on reading if it had paused and there is room again.
  void consumed() noexcept;

  // ---- writing ----
  /// Sends what goes at once and queues the rest.
  void write(std::string_view bytes);
  void write(std::string bytes);
  void write_eof();
  bool above_high_water() const noexcept { return paused_; }
  void set_write_buffer_limits(std::size_t high, std::size_t low);

  // ---- ending ----
  /// Sends what is queued, then closes.
  void close() noexcept;
  /// Closes at once.
  void abort() noexcept;
  bool is_closing() const noexcept { return closing_; }
  future<> closed();
  void on_closed(runtime::unique_function<void()> f) { on_closed_ = std::move(f); }

  // ---- a filter between this and the handle ----
  /// Null: bytes go as they are.
  stream_filter* filter() const noexcept { return filter_.get(); }
  /// Once, while nobody reads; what has come and was not read is the filter's.
  void set_filter(std::unique_ptr<stream_filter> f) noexcept { filter_ = std::move(f); }

  // For a filter:
  /// Whether it is to give out more; else start_reading() resumes it later.
  bool wants_more() const noexcept { return reader_ || buffer_.size() <= 2 * limit_; }
  /// Where the reader wants the next bytes; an empty span for deliver() from elsewhere.
  std::span<char> room() noexcept;
  void deliver(std::string_view plain) noexcept;
  void deliver_end() noexcept;
  /// To the handle: what goes at once, and the rest queued.
  void send(std::string_view bytes);
  void fail(std::error_code error, const char* operation) noexcept;
  void start_reading() noexcept;
  /// Reads from the handle, also after close(): for the peer's answer to it.
  void read_on() noexcept;
  void stop_reading() noexcept;
  void wake_reader() noexcept;
  /// Bytes written and not yet with the system.
  std::size_t queued() const noexcept;
  /// Whether writers are to wait, after what is queued has changed.
  void note_queued() noexcept;
  /// Closes the handle when all that was sent has gone.
  void close_handle() noexcept;

 private:
  friend class read_wait;
  friend class drain_wait;
  ~stream_core();

  void on_read(std::string_view bytes, std::error_code error) noexcept;
  void on_written(std::error_code error) noexcept;
  std::exception_ptr failure() const;
  void wake_writers() noexcept;
  void require_writable() const;
  void queue(std::string rest);
  void finish_close() noexcept;
  void settle_closed() noexcept;

  std::uint32_t references_ = 1;
  bool reading_ = false;
  bool eof_ = false;
  bool write_eof_ = false;
  bool paused_ = false;  // writers: above the high water mark
  bool closing_ = false;
  std::uint64_t id_;
  runtime::intrusive_ptr<loop_core> loop_;
  raw_stream raw_;
  runtime::stream* handle_;  // in raw_; null once closed
  stream_buffer buffer_;
  std::size_t limit_;
  std::size_t high_ = 65'536;
  std::size_t low_ = 16'384;
  read_wait* reader_ = nullptr;
  drain_wait* writers_ = nullptr;  // the first, of those who wait to go on
  std::unique_ptr<stream_filter> filter_;
  std::error_code error_;
  const char* failed_operation_ = "";
  std::optional<promise<>> closed_;
  runtime::unique_function<void()> on_closed_;
};

using stream_ref = runtime::intrusive_ptr<stream_core>;

}  // namespace sheaf::detail
