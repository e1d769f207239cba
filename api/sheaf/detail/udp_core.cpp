#include <sheaf/detail/udp_core.hpp>
#include <sheaf/runtime/error.hpp>

#include <cerrno>
#include <stdexcept>
#include <utility>

namespace sheaf::detail {

namespace {

uv_error closed_meanwhile(const char* what) { return {-ECANCELED, what}; }

}  // namespace

// ---- the socket --------------------------------------------------------------------------

runtime::udp& udp_core::handle(const char* what) {
  if (!handle_) throw invalid_state(std::string(what) + ": the socket is closed");
  return *handle_;
}

void udp_core::close() noexcept {
  handle_.reset();
  come_.clear();
  sending_ = 0;
  while (senders_) senders_->ended(closed_meanwhile("close").code());
  arrived();
}

void udp_core::connect(const runtime::address& to) {
  handle("udp_socket::connect").connect(to);
  peer_ = to;
}

void udp_core::disconnect() {
  handle("udp_socket::disconnect").disconnect();
  peer_.reset();
}

// It keeps the loop running only while a task waits for it.
void udp_core::weigh() noexcept {
  if (handle_) attended_ || sending_ > 0 ? handle_->ref() : handle_->unref();
}

// ---- receiving ---------------------------------------------------------------------------

// Reading goes on when the wait has ended, until as much lies here as may be read ahead.
void udp_core::attend(bool on) {
  if (on && !receiving_) {
    handle_->recv_start([this](const runtime::udp::datagram& d, std::error_code e) {
      on_datagram(d, e);
    });
    receiving_ = true;
  }
  attended_ = on;
  weigh();
}

void udp_core::on_datagram(const runtime::udp::datagram& d, std::error_code e) {
  come_.push_back(arrival{{std::string(d.bytes), d.from, d.truncated}, e});
  if (come_.size() >= ahead) {
    receiving_ = false;
    handle_->recv_stop();
  }
  arrived();
}

datagram udp_core::take() {
  constexpr const char* what = "udp_socket::receive";
  if (!handle_) throw closed_meanwhile(what);
  arrival first = std::move(come_.front());
  come_.pop_front();
  if (first.error) throw uv_error(first.error.value(), what);
  return std::move(first.what);
}

coro<datagram> receive_datagram(udp_ref s) {
  constexpr const char* what = "udp_socket::receive";
  static_cast<void>(s->handle(what));
  // One that was woken may find that another call was quicker.
  while (!s->has_come()) co_await arrival_wait(what, *s);
  co_return s->take();
}

// ---- sending -----------------------------------------------------------------------------

const runtime::address* udp_core::target(const runtime::address* to,
                                         const char* what) const {
  if (!to || !peer_) return to;
  if (*to == *peer_) return nullptr;
  throw std::invalid_argument(std::string(what) + " to " + to->to_string() +
                              ": the socket is connected to " + peer_->to_string() +
                              ", and sends nowhere else; call disconnect() first");
}

bool udp_core::try_send(std::string_view bytes, const runtime::address* to,
                        const char* what) {
  runtime::udp& h = handle(what);
  const runtime::address* const where = target(to, what);
  return where ? h.try_send(bytes, *where) : h.try_send(bytes);
}

coro<> send_datagram(udp_ref s, std::string bytes, std::optional<runtime::address> to) {
  constexpr const char* what = "udp_socket::send";
  const runtime::address* const given = to ? &*to : nullptr;
  if (s->try_send(bytes, given, what)) co_return;
  co_await send_wait(*s, std::move(bytes), s->target(given, what));
}

void udp_core::queue(send_wait& w) {
  const std::uint64_t ticket = ++tickets_;
  auto done = [this, ticket](std::error_code e) { sent(ticket, e); };
  runtime::udp& h = handle("udp_socket::send");
  w.to_ ? h.send(std::move(w.bytes_), *w.to_, std::move(done))
        : h.send(std::move(w.bytes_), std::move(done));
  w.ticket_ = ticket;
  w.next_ = senders_;
  if (senders_) senders_->prev_ = &w;
  senders_ = &w;
  ++sending_;
  weigh();
}

// Who waits for it may have gone with its frame: so it is looked for.
void udp_core::sent(std::uint64_t ticket, std::error_code e) noexcept {
  --sending_;
  weigh();
  for (send_wait* w = senders_; w; w = w->next_) {
    if (w->ticket_ == ticket) return w->ended(e);
  }
}

// One that has asked to cancel itself sends nothing: the request comes at once.
bool send_wait::begin(task_state& t) noexcept {
  task_ = &t;
  if (!t.must_cancel()) {
    try {
      core_.queue(*this);
    } catch (...) {
      refused_ = std::current_exception();
      return false;
    }
  }
  t.suspended_on(*this);
  return true;
}

void send_wait::leave() noexcept {
  if (std::exchange(ticket_, 0) == 0) return;
  (prev_ ? prev_->next_ : core_.senders_) = next_;
  if (next_) next_->prev_ = prev_;
}

void send_wait::ended(std::error_code e) noexcept {
  leave();
  sent_ = true;
  error_ = e;
  task_->wake();
}

// libuv cannot take it back.
bool send_wait::cancel(const cancel_ref&) noexcept {
  if (ticket_ != 0) return false;
  interrupt();
  return true;
}

void send_wait::interrupt() noexcept {
  leave();
  task_->wake_cancelled();
}

void send_wait::await_resume() {
  sent_ ? task_->postpone_interrupt() : task_->throw_if_interrupted();
  if (refused_) std::rethrow_exception(refused_);
  if (error_) throw uv_error(error_.value(), "udp_socket::send");
}

}  // namespace sheaf::detail
