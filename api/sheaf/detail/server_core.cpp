#include <sheaf/detail/server_core.hpp>
#include <sheaf/loop.hpp>

#include <unistd.h>

#include <algorithm>

namespace sheaf::detail {

namespace {

// So many connections at most are taken before others have their turn.
constexpr int accepts_at_once = 64;

// asyncio's ACCEPT_RETRY_DELAY.
constexpr std::uint64_t retry_ns = 1'000'000'000;

}  // namespace

server_core::server_core(loop_core& l, connection_handler handler, int backlog,
                         std::size_t limit, std::source_location made_at)
    : loop_(runtime::intrusive_ptr<loop_core>::share(&l)),
      handler_(std::move(handler)),
      context_(l),
      backlog_(backlog),
      limit_(limit),
      made_at_(made_at) {}

// ---- listening -------------------------------------------------------------------------

void server_core::add(runtime::listener l) {
  if (l.is_local()) path_ = l.path();
  listeners_.push_back(std::move(l));
}

void server_core::listen() {
  if (is_closed_) throw invalid_state("server: it is closed");
  if (serving_) return;
  try {
    for (runtime::listener& each : listeners_) {
      each.listen(*loop_->facade(), backlog_,
                  [this, &each] { accept_from(each, accepts_at_once); });
    }
  } catch (...) {  // of those that listen already nobody would take who comes
    for (runtime::listener& each : listeners_) each.pause();
    throw;
  }
  serving_ = true;
}

void server_core::close() noexcept {
  if (std::exchange(is_closed_, true)) return;
  const server_ref keep = server_ref::share(this);
  serving_ = false;
  stop_waiting();
  listeners_.clear();
  settle_closed();
}

std::vector<std::string> server_core::sockets() const {
  std::vector<std::string> all;
  for (const runtime::listener& each : listeners_) {
    all.push_back(each.is_local() ? each.path() : each.sockname().to_string());
  }
  return all;
}

std::uint16_t server_core::port() const {
  if (listeners_.empty() || listeners_.front().is_local()) {
    throw invalid_state("server: it listens on no port");
  }
  return listeners_.front().sockname().port();
}

// ---- accepting -------------------------------------------------------------------------

// A handler that is called may close the server, and with it the listener.
void server_core::accept_from(runtime::listener& l, int most) noexcept {
  const server_ref keep = server_ref::share(this);
  for (int n = 0; n < most && serving_; ++n) {
    std::error_code error;
    const auto made = l.accept(error);
    if (error) return out_of_descriptors(error);
    if (!made) return;
    try {
      if (route_ && route_(*made)) continue;
      connect(l.is_local(), *made);
    } catch (...) {
      loop_->report({.message = "a server could not take a connection; it goes on",
                     .exception = std::current_exception()});
    }
  }
}

// As many as the system may have kept; who comes faster than that is refused.
void server_core::accept_waiting() noexcept {
  const server_ref keep = server_ref::share(this);
  for (runtime::listener& each : listeners_) {
    accept_from(each, backlog_);
    if (!serving_) return;  // a handler has closed it, and taken the list away
  }
}

void server_core::connect(bool local, const accepted& made) {
  const stream_ref core = open(local, made.descriptor);
  const auto c = connection_ref::adopt(
      new server_connection(*this, *core, last_number_ + 1, made.peer));
  ++last_number_;
  link(*c);
  core->on_closed(server_connection::stream_end(*c));
  c->retain();  // its handler's
  begin(*c, stream(core));
}

void server_core::take(const accepted& made) noexcept {
  if (is_closed_) return static_cast<void>(::close(made.descriptor));
  try {
    connect(false, made);
  } catch (...) {
    loop_->report({.message = "a server could not take a connection; it goes on",
                   .exception = std::current_exception()});
  }
}

stream_ref server_core::open(bool local, int descriptor) {
  struct closer {
    int fd;
    ~closer() {
      if (fd >= 0) ::close(fd);
    }
  } owner{descriptor};
  const auto take_over = [&](auto handle) {
    handle.open(descriptor);
    owner.fd = -1;
    return stream_ref::adopt(new stream_core(*loop_, std::move(handle), limit_));
  };
  if (local) return take_over(runtime::pipe(*loop_->facade()));
  runtime::tcp socket(*loop_->facade());
  socket.nodelay(true);  // before it is opened: libuv sets it then
  return take_over(std::move(socket));
}

// A trace knows a task by the name that it has at its beginning; else the name is made up
// when somebody asks.
void server_core::begin(server_connection& c, stream s) {
  try {
    task_options options;
    if (loop_->trace()) options.name(c.name());
    const auto t = context_([&] {
      return create_task_on(*loop_, handler_(std::move(s)), options, made_at_);
    });
    c.watch(task_ref::share(&t.state()));
  } catch (...) {
    c.handler_failed(std::current_exception());
  }
}

void server_core::link(server_connection& c) noexcept {
  c.prev_ = last_;
  (last_ ? last_->next_ : first_) = &c;
  last_ = &c;
  ++connections_;
}

void server_core::ended(server_connection& c) noexcept {
  (c.prev_ ? c.prev_->next_ : first_) = c.next_;
  (c.next_ ? c.next_->prev_ : last_) = c.prev_;
  --connections_;
  if (pause_.armed()) accept_again();  // there is a descriptor now
  settle_closed();
}

std::vector<connection_ref> server_core::all() const {
  std::vector<connection_ref> some;
  some.reserve(connections_);
  for (server_connection* c = first_; c; c = c->next_) {
    some.push_back(connection_ref::share(c));
  }
  return some;
}

// ---- out of descriptors ----------------------------------------------------------------

// Who waits is left in the system's queue. Said once a second at most, however often a
// descriptor comes free and is taken meanwhile.
void server_core::out_of_descriptors(std::error_code error) noexcept {
  for (runtime::listener& each : listeners_) each.pause();
  if (!pause_.armed()) {
    retain();
    pause_.start(*loop_, static_cast<std::int64_t>(retry_ns));
  }
  const std::uint64_t now = loop_->now();
  if (reported_ != 0 && now - reported_ < retry_ns) return;
  reported_ = now;
  loop_->report(
      {.message =
           "a server could not accept a connection; it tries again in a second, or "
           "when one of its connections has ended",
       .exception = std::make_exception_ptr(uv_error(error.value(), "accept"))});
}

void server_core::stop_waiting() noexcept {
  if (!pause_.armed()) return;
  pause_.stop();
  release();
}

void server_core::on_time() noexcept {
  const server_ref held = server_ref::adopt(this);
  if (serving_) accept_again();
}

void server_core::accept_again() noexcept {
  stop_waiting();
  try {
    for (runtime::listener& each : listeners_) each.resume();
  } catch (...) {
    loop_->report({.message = "a server could not go on listening",
                   .exception = std::current_exception()});
  }
}

// ---- ending ----------------------------------------------------------------------------

void server_core::settle_closed() noexcept {
  if (!over()) return;
  for (promise<>& each : std::exchange(closed_, {})) each.try_set_value();
}

future<> server_core::closed() {
  std::erase_if(closed_, [](const promise<>& p) { return p.done(); });
  closed_.emplace_back(*loop_);
  const future<> f = closed_.back().get_future();
  settle_closed();
  return f;
}

}  // namespace sheaf::detail
