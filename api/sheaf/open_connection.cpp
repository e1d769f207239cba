#include <sheaf/detail/connect_wait.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/resolve.hpp>

#include <stdexcept>
#include <vector>

namespace sheaf {

connection_options& connection_options::limit(std::size_t bytes) & {
  if (bytes == 0) throw std::invalid_argument("limit: at least one byte");
  limit_ = bytes;
  return *this;
}

namespace {

template <class Handle>
stream connected(Handle h, const connection_options& options) {
  return stream(detail::stream_ref::adopt(
      new detail::stream_core(detail::loop_core::current("open_connection"),
                              std::move(h), options.limit())));
}

/// What a try at one address came to.
struct attempt {
  std::optional<stream> made;
  std::optional<uv_error> error;
};

coro<attempt> try_one(address to, connection_options options) {
  attempt a;
  try {
    a.made = co_await open_connection(to, options);
  } catch (const uv_error& e) {
    a.error = e;
  }
  co_return a;
}

[[noreturn]] void throw_all(const std::vector<uv_error>& errors) {
  if (errors.size() == 1) throw errors.front();
  std::string all = "connect: every address failed";
  for (const uv_error& e : errors) all += std::string("; ") + e.what();
  throw uv_error(errors.back().code().value(), all);
}

}  // namespace

coro<stream> open_connection(address to, connection_options options) {
  using wait = detail::connect_wait<runtime::tcp, address>;
  runtime::tcp socket = co_await wait(to, to.to_string());
  socket.nodelay(true);
  co_return connected(std::move(socket), options);
}

coro<stream> open_connection(std::string host, std::uint16_t port,
                             connection_options options) {
  const std::vector<address> all = co_await resolve(host, port);
  std::vector<uv_error> errors;
  for (const address& to : all) {
    attempt a = co_await try_one(to, options);
    if (a.made) co_return std::move(*a.made);
    errors.push_back(*a.error);
  }
  throw_all(errors);
}

coro<stream> open_unix_connection(std::string path, connection_options options) {
  using wait = detail::connect_wait<runtime::pipe, std::string>;
  runtime::pipe socket = co_await wait(path, "'" + path + "'");
  co_return connected(std::move(socket), options);
}

}  // namespace sheaf
