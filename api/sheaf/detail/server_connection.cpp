#include <sheaf/detail/server_connection.hpp>
#include <sheaf/detail/server_core.hpp>

namespace sheaf::detail {

server_connection::server_connection(server_core& s, stream_core& stream,
                                     std::uint64_t number,
                                     std::optional<runtime::address> peer)
    : server_(server_ref::share(&s)), stream_(&stream), number_(number), peer_(peer) {}

server_connection::~server_connection() = default;

void server_connection::watch(task_ref handler) noexcept {
  handler_ = std::move(handler);
  handler_->done() ? settled(registration_) : handler_->watch(registration_, *this);
}

std::string server_connection::peer() const {
  return peer_ ? peer_->to_string() : std::string();
}

std::string server_connection::name() const {
  const std::string where =
      peer_ ? " from " + peer_->to_string() : " on '" + server_->path() + "'";
  return "connection " + std::to_string(number_) + where;
}

std::size_t server_connection::unsent() const noexcept {
  return stream_ ? stream_->queued() : 0;
}

// Queued: its end may run foreign code, such as the exception handler.
void server_connection::settled(watcher&) noexcept { server_->loop().post(*this); }

void server_connection::run() noexcept {
  const task_ref ended = handler_;
  if (ended->status() != future_status::value) close();
  if (ended->failed()) {
    error_ = ended->error();
    const bool lost = !leaves_run(error_);  // else run() throws it
    ended->mark_retrieved();
    if (lost) report(ended->describe_as("the handler of a connection failed"));
  }
  handler_ended();
}

// The loop has closed; a failed task reports itself.
void server_connection::drop() noexcept { handler_ended(); }

void server_connection::handler_failed(std::exception_ptr e) noexcept {
  error_ = std::move(e);
  report({.message = "the handler of a connection failed", .exception = error_});
  close();
  handler_ended();
}

void server_connection::report(exception_context what) const noexcept {
  what.task_name = name();
  server_->loop().report(what);
  if (server_->loop().terminate_on_unretrieved) std::terminate();
}

void server_connection::handler_ended() noexcept {
  const connection_ref last = connection_ref::adopt(this);
  handler_ = {};
  handler_over_ = true;
  if (over()) server_->ended(*this);
}

void server_connection::stream_ended() noexcept {
  const connection_ref last = connection_ref::adopt(this);
  stream_ = nullptr;
  if (over()) server_->ended(*this);
}

}  // namespace sheaf::detail
