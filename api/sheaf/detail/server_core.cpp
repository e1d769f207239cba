#include <sheaf/detail/server_core.hpp>
#include <sheaf/loop.hpp>

namespace sheaf::detail {

namespace {

using raw_stream = stream_core::raw_stream;

runtime::stream& stream_of(raw_stream& s) noexcept { return *stream_core::stream_of(s); }

/// A fresh handle of the listener's kind, for one connection.
struct fresh_like {
  loop& l;
  raw_stream operator()(const std::monostate&) const { return {}; }
  raw_stream operator()(const runtime::tcp&) const { return runtime::tcp(l); }
  raw_stream operator()(const runtime::pipe&) const { return runtime::pipe(l); }
  raw_stream operator()(const runtime::tty&) const { return {}; }
};

struct own_name {
  std::string operator()(const std::monostate&) const { return {}; }
  std::string operator()(const runtime::tcp& t) const { return t.sockname().to_string(); }
  std::string operator()(const runtime::pipe& p) const { return p.sockname(); }
  std::string operator()(const runtime::tty&) const { return {}; }
};

}  // namespace

void server_core::listen() {
  if (is_closed_) throw invalid_state("server: it is closed");
  if (serving_) return;
  for (raw_stream& each : listeners_) listen_on(each);
  serving_ = true;
}

// The callback dies with the listener, which this owns.
void server_core::listen_on(raw_stream& listener) {
  stream_of(listener).listen(
      backlog_, [this, &listener](std::error_code e) { connect(listener, e); });
}

void server_core::connect(raw_stream& listener, std::error_code error) {
  const server_ref keep = server_ref::share(this);
  try {
    if (error) throw uv_error(error.value(), "accept");
    accept(listener);
  } catch (...) {
    loop_->report({.message = "a server could not accept a connection; it goes on",
                   .exception = std::current_exception()});
  }
}

void server_core::accept(raw_stream& listener) {
  auto& l = static_cast<loop&>(*loop_->facade());
  raw_stream client = std::visit(fresh_like{l}, listener);
  stream_of(listener).accept(stream_of(client));
  if (auto* const t = std::get_if<runtime::tcp>(&client)) t->nodelay(true);
  const auto core = stream_ref::adopt(new stream_core(*loop_, std::move(client), limit_));
  const auto place = connections_.insert(connections_.end(), core.get());
  core->on_closed([keep = server_ref::share(this), place] { keep->ended(place); });
  // The loop owns the task; what it throws is reported, since nobody retrieves it.
  static_cast<void>(
      l.create_task(handler_(stream(core)), task_options().name("connection")));
}

void server_core::ended(std::list<stream_core*>::iterator connection) noexcept {
  connections_.erase(connection);
  settle_closed();
}

void server_core::close() noexcept {
  if (std::exchange(is_closed_, true)) return;
  const server_ref keep = server_ref::share(this);
  serving_ = false;
  listeners_.clear();
  settle_closed();
}

void server_core::settle_closed() noexcept {
  if (!closed_ || !is_closed_ || !connections_.empty()) return;
  if (!closed_->get_future().done()) closed_->set_value();
}

future<> server_core::closed() {
  if (!closed_) closed_.emplace(*loop_);
  settle_closed();
  return closed_->get_future();
}

// What is called may end the connection, and take it out of the list.
void server_core::each(void (stream_core::*f)() noexcept) noexcept {
  std::vector<stream_ref> all;
  for (stream_core* const c : connections_) all.push_back(stream_ref::share(c));
  for (const stream_ref& c : all) (c.get()->*f)();
}

std::vector<std::string> server_core::sockets() const {
  std::vector<std::string> all;
  for (const raw_stream& each : listeners_) all.push_back(std::visit(own_name(), each));
  return all;
}

std::uint16_t server_core::port() const {
  const auto* const t =
      listeners_.empty() ? nullptr : std::get_if<runtime::tcp>(&listeners_.front());
  if (!t) throw invalid_state("server: it listens on no port");
  return t->sockname().port();
}

}  // namespace sheaf::detail
