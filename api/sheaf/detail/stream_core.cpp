#include <sheaf/detail/stream_core.hpp>

namespace sheaf::detail {

// ---- waiting ---------------------------------------------------------------------------

std::uint64_t stream_wait::object() const noexcept { return core_->id(); }

// Entered last: what it waits for may fail at once, and wakes it then as at any other time.
void stream_wait::begin(task_state& t) noexcept {
  task_ = &t;
  waiting_ = true;
  t.suspended_on(*this);
  enter();
}

void stream_wait::leave() noexcept {
  if (waiting_) withdraw();
  waiting_ = false;
}

// Total: what has come stays in the buffer, what was written is sent.
bool stream_wait::cancel(const cancel_ref&) noexcept {
  interrupt();
  return true;
}

void stream_wait::interrupt() noexcept {
  leave();
  task_->wake_cancelled();
}

void read_wait::enter() noexcept {
  core().reader_ = this;
  core().start_reading();
}

bool read_wait::ready_if(bool enough) const {
  core().require_no_reader();
  return enough || core().ended();
}

void read_wait::withdraw() noexcept { core().reader_ = nullptr; }

bool drain_wait::await_ready() const noexcept {
  return !core().above_high_water() || core().error_ || core().gone();
}

void drain_wait::await_resume() {
  resumed();
  core().throw_error();
}

void drain_wait::enter() noexcept {
  next_ = core().writers_;
  if (next_) next_->prev_ = this;
  core().writers_ = this;
}

void drain_wait::withdraw() noexcept {
  (prev_ ? prev_->next_ : core().writers_) = next_;
  if (next_) next_->prev_ = prev_;
}

// ---- life ------------------------------------------------------------------------------

namespace {

struct as_stream {
  runtime::stream* operator()(std::monostate&) const noexcept { return nullptr; }
  runtime::stream* operator()(runtime::stream& s) const noexcept { return &s; }
};

}  // namespace

runtime::stream* stream_core::stream_of(raw_stream& raw) noexcept {
  return std::visit(as_stream(), raw);
}

stream_core::stream_core(loop_core& l, raw_stream raw, std::size_t limit)
    : id_(l.next_join_id()),
      loop_(runtime::intrusive_ptr<loop_core>::share(&l)),
      raw_(std::move(raw)),
      handle_(stream_of(raw_)),
      limit_(limit) {}

stream_core::~stream_core() = default;

void stream_core::require_no_reader() const {
  if (!reader_) return;
  throw invalid_state(
      "stream: another task reads from it already; let one task read, and hand over what "
      "it reads through a queue");
}

void stream_core::throw_error() const {
  if (error_) std::rethrow_exception(failure());
}

std::exception_ptr stream_core::failure() const {
  if (filter_) {
    if (std::exception_ptr e = filter_->failure()) return e;
  }
  return std::make_exception_ptr(uv_error(error_.value(), failed_operation_));
}

void stream_core::fail(std::error_code error, const char* operation) noexcept {
  if (error_) return;
  error_ = error;
  failed_operation_ = operation;
  stop_reading();
  wake_reader();
  wake_writers();
}

// ---- reading ---------------------------------------------------------------------------

void stream_core::start_reading() noexcept {
  if (reading_ || ended()) return;
  if (filter_) {
    filter_->resume();
    if (!wants_more() || ended()) return;
  }
  read_on();
}

void stream_core::read_on() noexcept {
  try {
    handle().read_start(
        [this] { return filter_ ? std::span<char>() : room(); },
        [this](std::string_view bytes, std::error_code e) { on_read(bytes, e); });
    reading_ = true;
  } catch (const uv_error& e) {
    fail(e.code(), "read");
  }
}

void stream_core::stop_reading() noexcept {
  if (!std::exchange(reading_, false) || gone()) return;
  handle().read_stop();
}

std::span<char> stream_core::room() noexcept {
  return reader_ && buffer_.empty() ? reader_->room() : std::span<char>();
}

void stream_core::on_read(std::string_view bytes, std::error_code error) noexcept {
  if (error) reading_ = false;
  if (filter_) {
    const stream_ref keep = stream_ref::share(this);
    return filter_->on_read(bytes, error);
  }
  if (error == runtime::end_of_file()) return deliver_end();
  if (error) return fail(error, "read");
  deliver(bytes);
}

void stream_core::deliver_end() noexcept {
  eof_ = true;
  stop_reading();
  wake_reader();
}

void stream_core::deliver(std::string_view bytes) noexcept {
  if (reader_ && bytes.data() == reader_->room().data() && !bytes.empty()) {
    reader_->took(bytes.size());
    return wake_reader();
  }
  buffer_.append(bytes);
  if (reader_ && reader_->satisfied()) wake_reader();
  if (!wants_more()) stop_reading();
}

void stream_core::wake_reader() noexcept {
  if (read_wait* const r = std::exchange(reader_, nullptr)) r->wake();
}

void stream_core::consumed() noexcept {
  if (!reading_ && buffer_.size() <= limit_ && !buffer_.empty()) start_reading();
}

// ---- writing ---------------------------------------------------------------------------

void stream_core::require_writable() const {
  throw_error();
  if (closing_) throw invalid_state("stream: write after close()");
  if (write_eof_) throw invalid_state("stream: write after write_eof()");
}

void stream_core::write(std::string_view bytes) {
  require_writable();
  if (!filter_) return send(bytes);
  filter_->write(bytes);
  throw_error();
}

void stream_core::send(std::string_view bytes) {
  if (handle().write_queue_size() == 0) {
    std::error_code error;
    bytes.remove_prefix(handle().try_write(bytes, error));
    if (error) return fail(error, "write"), throw_error();
  }
  if (!bytes.empty()) queue(std::string(bytes));
}

void stream_core::write(std::string bytes) {
  require_writable();
  if (filter_) return filter_->write(bytes), throw_error();
  std::size_t sent = 0;
  if (handle().write_queue_size() == 0) {
    std::error_code error;
    sent = handle().try_write(bytes, error);
    if (error) return fail(error, "write"), throw_error();
  }
  if (sent == bytes.size()) return;
  if (sent != 0) bytes.erase(0, sent);
  queue(std::move(bytes));
}

void stream_core::queue(std::string rest) {
  handle().write(std::move(rest), [this](std::error_code e) { on_written(e); });
  note_queued();
}

void stream_core::on_written(std::error_code error) noexcept {
  if (error) return fail(error, "write");
  note_queued();
}

std::size_t stream_core::queued() const noexcept {
  return handle().write_queue_size() + (filter_ ? filter_->pending() : 0);
}

void stream_core::note_queued() noexcept {
  const std::size_t n = queued();
  if (n > high_) paused_ = true;
  if (!paused_ || n > low_) return;
  paused_ = false;
  wake_writers();
}

void stream_core::wake_writers() noexcept {
  drain_wait* last = writers_;
  while (last && last->next_) last = last->next_;
  writers_ = nullptr;
  while (last) {  // the newest stands first
    drain_wait* const w = std::exchange(last, last->prev_);
    w->wake();
  }
}

void stream_core::set_write_buffer_limits(std::size_t high, std::size_t low) {
  if (low > high) {
    throw std::invalid_argument("set_write_buffer_limits: low is above high");
  }
  high_ = high;
  low_ = low;
  if (!gone()) note_queued();
}

void stream_core::write_eof() {
  if (closing_ || std::exchange(write_eof_, true)) return;
  throw_error();
  if (filter_) return filter_->write_eof();
  handle().shutdown([this](std::error_code e) {
    // A peer that has gone has taken its side down already.
    if (e && e != std::errc::not_connected) fail(e, "write_eof");
  });
}

// ---- ending ----------------------------------------------------------------------------

// The last write is an empty one: its callback comes when all before it has gone.
void stream_core::close() noexcept {
  if (std::exchange(closing_, true)) return;
  stop_reading();
  wake_reader();
  if (filter_ && !error_ && filter_->close()) return;
  close_handle();
}

void stream_core::close_handle() noexcept {
  if (gone()) return;
  if (error_ || handle().write_queue_size() == 0) return finish_close();
  handle().write(
      {}, [keep = stream_ref::share(this)](std::error_code) { keep->finish_close(); });
}

void stream_core::abort() noexcept {
  if (gone()) return;
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
  wake_writers();
  settle_closed();
  if (auto f = std::move(on_closed_)) f();
}

void stream_core::settle_closed() noexcept {
  if (!closed_) return;
  if (error_) {
    closed_->set_exception(failure());
  } else {
    closed_->set_value();
  }
}

future<> stream_core::closed() {
  if (!closed_) {
    closed_.emplace();
    if (gone()) settle_closed();
  }
  return closed_->get_future();
}

}  // namespace sheaf::detail
