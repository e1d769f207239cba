#include <sheaf/as_outcome.hpp>
#include <sheaf/detail/settled.hpp>
#include <sheaf/finish.hpp>
#include <sheaf/server.hpp>
#include <sheaf/wait.hpp>

#include <algorithm>

namespace sheaf {

namespace {

using detail::connection_ref;
using detail::server_core;
using detail::server_ref;

// How many batches a handler gets to end whose connection was taken away.
constexpr int last_batches = 8;

/// A connection that was not in time, and what is told of it.
struct straggler {
  connection_ref connection;
  unfinished_connection told;
};

/// Waits until the server is over, or `ns` of the loop's clock.
coro<> until_over(server_core& s, std::uint64_t ns) {
  if (s.over()) co_return;
  const std::uint64_t now = s.loop().now();
  std::vector<future<>> closed{s.closed()};
  if (ns == detail::due_time::never) {
    co_await closed.front();
    co_return;
  }
  const auto left = std::chrono::nanoseconds(ns > now ? ns - now : 0);
  static_cast<void>(co_await wait(std::move(closed), wait_options().timeout(left)));
}

straggler look_at(const connection_ref& c) {
  straggler s{c, {}};
  s.told.name = c->name();
  s.told.peer = c->peer();
  s.told.unsent = c->unsent();
  if (const detail::task_state* const t = c->handler()) {
    s.told.handler = t->describe();
    s.told.waiting_at = t->waiting_at();
  }
  return s;
}

void note_ended(std::vector<straggler>& all, shutdown_end how) {
  for (straggler& s : all) {
    if (s.told.end == shutdown_end::still_running && s.connection->over())
      s.told.end = how;
  }
}

void require_other_task(const server_core& s) {
  const detail::task_state* const caller = s.loop().current_task();
  for (const connection_ref& c : s.all()) {
    if (!caller || c->handler() != caller) continue;
    throw invalid_state(
        "shutdown: called by the handler of one of its connections, for which it would "
        "wait; make it a task of its own: create_task(s.shutdown(...))");
  }
}

/// Ends what is left, first with a cancellation, then by taking its connection away.
coro<std::vector<straggler>> end_all(server_core& s, detail::cancel_ref cause,
                                     std::int64_t grace_ns) {
  std::vector<straggler> late;
  for (const connection_ref& c : s.all()) late.push_back(look_at(c));
  for (straggler& each : late) {
    if (each.connection->handler()) {
      each.connection->cancel(cause);
    } else {  // it only sends what is left, and its time has passed
      each.connection->abort();
      each.told.end = shutdown_end::aborted;
    }
  }
  co_await until_over(s, s.loop().after(grace_ns));
  note_ended(late, shutdown_end::cancelled);
  for (const straggler& each : late) {
    if (each.connection->over()) continue;
    each.connection->abort();
    each.connection->cancel(cause);
  }
  for (int n = 0; n < last_batches && !s.over(); ++n) {
    co_await sleep(std::chrono::seconds(0));
  }
  note_ended(late, shutdown_end::aborted);
  co_return late;
}

coro<shutdown_report> shut_down(server_ref s, std::uint64_t deadline_ns,
                                std::int64_t grace_ns, std::source_location at) {
  require_other_task(*s);
  s->accept_waiting();
  const std::size_t before = s->connections();
  s->close();
  co_await until_over(*s, deadline_ns);
  shutdown_report report;
  report.finished = before - s->connections();
  if (s->over()) co_return report;
  const auto cause = detail::make_cause(cancel_why::shutdown, s->loop().current_task(),
                                        at, "server shutdown");
  auto late = co_await end_all(*s, cause, grace_ns);
  for (straggler& each : late) {
    each.told.error = each.connection->error();
    report.unfinished.push_back(std::move(each.told));
  }
  co_return report;
}

/// The rest of a serve_forever() that was cancelled.
coro<> leave_all(server_ref s, std::source_location at) {
  const shutdown_report report =
      co_await shut_down(s, 0, shutdown_options().grace_ns(), at);
  if (report.all_ended()) co_return;
  s->loop().report({.message = "serve_forever() was cancelled: " + report.describe()});
}

struct forever_scope {
  server_core& s;
  ~forever_scope() { s.leave_forever(); }
};

}  // namespace

coro<shutdown_report> server::shutdown(detail::time_limit within,
                                       shutdown_options options,
                                       std::source_location at) {
  const std::uint64_t deadline =
      within.none() ? detail::due_time::never : core_->loop().after(within.ns());
  return shut_down(core_, deadline, options.grace_ns(), at);
}

coro<shutdown_report> server::shutdown(detail::due_time deadline,
                                       shutdown_options options,
                                       std::source_location at) {
  return shut_down(core_, deadline.ns(), options.grace_ns(), at);
}

coro<> server::serve_forever(std::source_location at) {
  const server_ref s = core_;
  if (s->is_closed()) throw invalid_state("serve_forever: the server is closed");
  if (!s->enter_forever()) {
    throw invalid_state("serve_forever: another task is in it already");
  }
  const forever_scope scope{*s};
  s->listen();
  const auto how = co_await as_outcome(s->closed());
  if (!how.is_cancelled()) co_return;
  co_await finish(leave_all(s, at));
  how.value();
}

}  // namespace sheaf
