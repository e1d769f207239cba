#include <sheaf/detail/stream_core.hpp>
#include <sheaf/runtime/current_scope.hpp>
#include <sheaf/runtime/error.hpp>

#include <cerrno>

namespace sheaf::detail {

namespace {

struct as_stream {
  runtime::stream* operator()(std::monostate&) const noexcept { return nullptr; }
  runtime::stream* operator()(runtime::stream& s) const noexcept { return &s; }
};

std::error_code code_of(int uv) noexcept { return {uv, uv_category()}; }

/// Calls `f`, which asks libuv for something; the error if it refuses, or if its loop has
/// closed the handle.
template <class F>
std::error_code refusal(F&& f) noexcept {
  try {
    f();
  } catch (const std::system_error& e) {
    return e.code();
  } catch (...) {
    return code_of(-ECANCELED);
  }
  return {};
}

}  // namespace

runtime::stream* stream_core::stream_of(raw_stream& raw) noexcept {
  return std::visit(as_stream(), raw);
}

stream_core::stream_core(loop_core& l, raw_stream raw, std::size_t limit)
    : handle_(nullptr),
      limit_(limit),
      loop_(runtime::intrusive_ptr<loop_core>::share(&l)),
      raw_(std::move(raw)),
      id_(l.next_join_id()) {
  handle_ = stream_of(raw_);
}

stream_core::~stream_core() = default;

// ---- errors ----------------------------------------------------------------------------

void stream_core::refuse_reader() const {
  throw invalid_state(
      "stream: another task reads from it already; let one task read, and hand over what "
      "it reads through a queue");
}

void stream_core::refuse_write() const {
  throw_error();
  if (closing_ && !taken_away_) throw invalid_state("stream: write after close()");
  if (eof_written_) throw invalid_state("stream: write after write_eof()");
  throw uv_error(-ECONNABORTED, "write to a stream that its server closed");
}

void stream_core::throw_unsent() const {
  throw_error();
  throw uv_error(-ECONNABORTED, "write to a stream that was aborted");
}

std::exception_ptr stream_core::failure() const {
  if (filter_) {
    if (std::exception_ptr e = filter_->failure()) return e;
  }
  return std::make_exception_ptr(uv_error(error_.value(), failed_operation_));
}

void stream_core::fail(std::error_code error, const char* operation) noexcept {
  read_ended_ = true;
  stop_reading();
  fail_write(error, operation);
  wake_reader();
}

// What the peer sent before it went can still be read; a reader who waits learns of the loss
// from the handle, as the end of what comes.
void stream_core::fail_write(std::error_code error, const char* operation) noexcept {
  if (error_) return;
  error_ = error;
  failed_operation_ = operation;
  unsent_ = {};
  write_paused_ = false;
  wake_all(drainers_);
  wake_all(closers_);
  if (closing_) finish_close();
}

// ---- reading ---------------------------------------------------------------------------

void stream_core::start_reading() noexcept {
  if (reading_ || ended() || gone()) return;
  if (filter_) {
    filter_->resume();
    if (!wants_more() || ended()) return;
  }
  read_on();
}

void stream_core::read_on() noexcept {
  read_paused_ = false;
  if (const std::error_code e = refusal([&] { handle_->read_start(*this); })) {
    return fail(e, "read");
  }
  reading_ = true;
}

void stream_core::stop_reading() noexcept {
  if (!std::exchange(reading_, false) || gone()) return;
  handle_->read_stop();
}

// A reader that was woken with its room full has not run yet: what comes next is left to the
// system rather than copied twice. It runs before the next poll but one.
std::span<char> stream_core::room(std::span<char> shared) noexcept {
  if (!reader_ || reader_->room_.empty() || filter_) return shared;
  return reader_->waiting() ? reader_->room_ : std::span<char>();
}

void stream_core::on_read(std::string_view bytes, int error) noexcept {
  if (error == 0 && reader_waits() && bytes.data() == reader_->room_.data()) [[likely]] {
    reader_->came_ = bytes.size();
    return reader_->wake();
  }
  if (error != 0) reading_ = false;
  if (filter_) [[unlikely]] {
    const stream_ref keep = stream_ref::share(this);
    const runtime::detail::current_scope now_running(*loop_);
    return filter_->on_read(bytes, code_of(error));
  }
  if (error == 0) [[likely]]
    return deliver(bytes);
  if (code_of(error) == runtime::end_of_file()) return deliver_end();
  fail(code_of(error), "read");
}

void stream_core::deliver_end() noexcept {
  read_ended_ = true;
  stop_reading();
  wake_reader();
}

void stream_core::deliver(std::string_view bytes) noexcept {
  if (reader_waits() && bytes.data() == reader_->room_.data() && !bytes.empty()) {
    reader_->came_ = bytes.size();
    return reader_->wake();
  }
  buffer_.append(bytes);
  if (reader_waits() && reader_->satisfied()) reader_->wake();
  if (!wants_more()) pause_reading();
}

void stream_core::wake_reader() noexcept {
  if (reader_waits()) reader_->wake();
}

// ---- ending ----------------------------------------------------------------------------

void stream_core::close() noexcept {
  if (std::exchange(closing_, true)) return;
  stop_reading();
  wake_reader();
  if (filter_ && !error_ && filter_->close()) return;
  close_handle();
}

void stream_core::close_handle() noexcept {
  closes_handle_ = true;
  if (error_ || !sending_) finish_close();
}

void stream_core::abort() noexcept {
  if (gone()) return;
  dropped_ = queued() != 0;
  closing_ = true;
  stop_reading();
  wake_reader();
  finish_close();
}

void stream_core::finish_close() noexcept {
  if (gone()) return;
  const stream_ref keep = stream_ref::share(this);  // the last may be a callback's
  handle_ = nullptr;
  raw_.emplace<std::monostate>();
  if (filter_) filter_->closed();
  unsent_ = {};
  write_paused_ = false;
  wake_all(drainers_);
  wake_all(closers_);
  if (auto f = std::move(on_closed_)) f();
}

// The newest stands first.
void stream_core::wake_all(line_wait*& first) noexcept {
  line_wait* w = std::exchange(first, nullptr);
  while (w && w->next_) w = w->next_;
  while (w) std::exchange(w, w->prev_)->wake();
}

}  // namespace sheaf::detail
