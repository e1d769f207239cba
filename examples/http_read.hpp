// HTTP/1.1's requests, read from a stream.
#pragma once

#include "http_message.hpp"

#include <sheaf/sheaf.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace http {

/// Reads on behind the first byte, to the empty line. Every line ends with CRLF: if a server
/// takes a bare LF as well and the proxy before it does not, they see different requests.
inline sheaf::coro<request> read_head(sheaf::stream& peer, std::string head) {
  if (head == "\r") {  // an empty line ahead is a slip of old clients
    const std::string feed = co_await peer.readexactly(1);
    if (feed != "\n") throw refusal(400, "a CR without its LF");
    head.clear();
  }
  const std::vector<std::string> empty_line = {"\n\r\n", "\n\n"};
  head += co_await peer.readuntil(empty_line);
  for (std::size_t at = 0; (at = head.find('\n', at)) != std::string::npos; ++at) {
    if (at == 0 || head[at - 1] != '\r') throw refusal(400, "a line ends with CRLF");
  }
  co_return parse_head(std::string_view(head).substr(0, head.size() - 4));
}

inline sheaf::coro<std::string> read_line(sheaf::stream& peer) {
  std::string line = co_await peer.readuntil("\r\n");
  line.resize(line.size() - 2);
  co_return line;
}

inline sheaf::coro<std::string> read_chunks(sheaf::stream& peer) {
  std::string body;
  for (;;) {
    const std::string line = co_await read_line(peer);
    std::string_view rest = line;
    const auto size = parse_number<std::uint64_t>(trim(take_until(rest, ";")), 16);
    if (!size) throw refusal(400, "a chunk begins with its size");
    if (*size == 0) break;
    if (*size > body_limit - body.size()) throw refusal(413, "the body is too long");
    body += co_await peer.readexactly(*size);
    const std::string end = co_await peer.readexactly(2);
    if (end != "\r\n") throw refusal(400, "a chunk is longer than its size");
  }
  for (std::size_t lines = 0;; ++lines) {  // the trailer, which is ignored
    const std::string line = co_await read_line(peer);
    if (line.empty()) co_return body;
    if (lines == header_limit) throw refusal(431, "too long a trailer");
  }
}

inline sheaf::coro<> read_body(sheaf::stream& peer, request& r) {
  const auto length = body_length(r);
  if (length == 0u) co_return;
  if (r.has("expect", "100-continue"))
    co_await peer.write("HTTP/1.1 100 Continue\r\n\r\n");
  if (length) {
    r.body = co_await peer.readexactly(*length);
  } else {
    r.body = co_await read_chunks(peer);
  }
}

/// The request that begins with `first`, whole. Throws refusal, and what the stream throws.
inline sheaf::coro<request> read_request(sheaf::stream& peer, std::string first) {
  bool too_long = false;
  try {
    request r = co_await read_head(peer, std::move(first));
    co_await read_body(peer, r);
    co_return r;
  } catch (const sheaf::limit_overrun&) {
    too_long = true;
  } catch (const sheaf::incomplete_read&) {
  }
  if (too_long) throw refusal(431, "the head is too long");
  throw refusal(400, "the request ended too early");
}

}  // namespace http
