// http_server [PORT [MILLISECONDS]]: HTTP/1.1 with keep-alive, and what a server owes its
// clients: an answer to bad requests too, limits on size and time, an end that loses none.
#include "http_read.hpp"
#include "serving.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

using namespace std::chrono_literals;

struct site {
  std::chrono::milliseconds patience = 10s;  // with a client: for a request, for a write
  serving::lounge guests;
};

// ---- what it serves --------------------------------------------------------------------

http::response not_allowed(const std::string& methods) {
  return {405, "it takes " + methods + '\n', "Allow: " + methods + "\r\n"};
}

sheaf::coro<http::response> after_a_nap(std::string_view milliseconds) {
  unsigned n = 0;
  if (!serving::parse(milliseconds, n) || n > 10'000) {
    co_return http::response{404, "from 0 to 10000 milliseconds\n"};
  }
  co_await sheaf::sleep(std::chrono::milliseconds(n));
  co_return http::response{200, "slept\n"};
}

sheaf::coro<http::response> answer(const http::request& r) {
  const std::string_view target = r.target;
  if (r.method != "GET" && r.method != "HEAD" && r.method != "POST") {
    co_return http::response{501, "this server knows GET, HEAD and POST\n"};
  }
  if (target == "/echo") {
    if (r.method != "POST") co_return not_allowed("POST");
    co_return http::response{200, r.body};
  }
  const bool nap = target.starts_with("/sleep/");
  if (!nap && target != "/") co_return http::response{404, "there is no such page\n"};
  if (r.method == "POST") co_return not_allowed("GET, HEAD");
  if (nap) co_return co_await after_a_nap(target.substr(7));
  co_return http::response{200, "hello from sheaf\n"};
}

// ---- one client ------------------------------------------------------------------------

// The first byte of the next request; nothing if there is none in time, or at all.
sheaf::coro<std::string> first_byte(site& s, sheaf::stream& peer) {
  const serving::lounge::seat waiting(s.guests, peer);
  try {
    std::string byte = co_await sheaf::wait_for(peer.read(1), s.patience);
    if (!peer.is_closing()) co_return byte;  // else this server ends, just now
  } catch (const sheaf::timeout_error&) {
  }
  co_return {};
}

// What came: a request, or what is wrong with it.
struct incoming {
  std::optional<http::request> request;
  http::response refusal;
};

sheaf::coro<incoming> receive(site& s, sheaf::stream& peer, std::string first) {
  incoming in;
  try {
    // The limit is on the whole request: a byte now and then does not keep it open.
    in.request = co_await sheaf::timeout::run(s.patience, http::read_request,
                                              std::ref(peer), std::move(first));
  } catch (const http::refusal& why) {
    in.refusal = {why.status, why.what() + std::string("\n")};
  } catch (const sheaf::timeout_error&) {
    in.refusal = {408, "the request took too long\n"};
  }
  co_return in;
}

// One request and its answer; whether another may follow.
sheaf::coro<bool> exchange(site& s, sheaf::stream& peer) {
  std::string first = co_await first_byte(s, peer);
  if (first.empty()) co_return false;
  incoming in = co_await receive(s, peer, std::move(first));
  http::response out = std::move(in.refusal);
  if (in.request) out = co_await answer(*in.request);
  const bool keep = in.request && in.request->keep_alive() && !s.guests.is_closing();
  const bool head_only = in.request && in.request->method == "HEAD";
  co_await sheaf::wait_for(peer.write(http::to_bytes(out, keep, head_only)), s.patience);
  co_return keep;
}

// Reads on until the client ends as well: closing over bytes that were not read resets the
// connection, and the answer may be lost with it.
sheaf::coro<> part(sheaf::stream& peer) {
  peer.write_eof();
  for (std::string rest = "?"; !rest.empty();) rest = co_await peer.read(65'536);
}

sheaf::coro<> converse(site& s, sheaf::stream peer) {
  try {
    for (bool more = true; more;) more = co_await exchange(s, peer);
    co_await sheaf::wait_for(part(peer), 1s);
  } catch (const sheaf::uv_error&) {  // the client is gone
  } catch (const sheaf::timeout_error&) {
    peer.abort();
  }
}

// ---- all of them -----------------------------------------------------------------------

sheaf::coro<> serve(site& here, std::uint16_t port) {
  sheaf::server server =
      co_await sheaf::start_server(std::bind_front(converse, std::ref(here)), "127.0.0.1",
                                   port, sheaf::server_options().limit(http::head_limit));
  std::cout << "LISTENING " << server.port() << std::endl;
  co_await serving::told_to_stop();
  co_await serving::shut_down(server, here.guests, here.patience);
}

int main(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "0";
  const std::string_view second = argc > 2 ? argv[2] : "10000";
  std::uint16_t port = 0;
  std::uint32_t patience = 0;
  const bool wants_help = first == "--help";
  if (argc > 3 || wants_help || !serving::parse(first, port) ||
      !serving::parse(second, patience)) {
    (wants_help ? std::cout : std::cerr)
        << "usage: http_server [PORT [MILLISECONDS]]\n\n"
           "Serves /, /sleep/N and, for POST, /echo at 127.0.0.1:PORT; without one it "
           "takes\n"
           "one that is free. A client has MILLISECONDS, or 10000, for each request.\n";
    return wants_help ? 0 : 2;
  }
  site here;  // longer than run(), which ends whatever refers to it
  here.patience = std::chrono::milliseconds(patience);
  return serving::run("http_server", serve(here, port));
}
