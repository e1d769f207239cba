// HTTP/1.1's messages (RFC 9112), as far as a server of small things needs them. Strict: what
// may be understood in two ways is refused, and everything has a limit.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace http {

constexpr std::size_t head_limit = 16'384;  // give it to the server's options
constexpr std::size_t target_limit = 4'096;
constexpr std::size_t header_limit = 100;  // lines
constexpr std::size_t body_limit = 1'048'576;

/// A request that cannot be served: the status, and what to tell the client.
class refusal : public std::runtime_error {
 public:
  refusal(int code, const std::string& why) : runtime_error(why), status(code) {}
  int status;
};

struct request {
  std::string method, target, body;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  int minor_version = 1;

  std::vector<std::string_view> all(std::string_view name) const {
    std::vector<std::string_view> found;
    for (const auto& [key, value] : headers) {
      if (key == name) found.push_back(value);
    }
    return found;
  }
  /// Whether `token` stands in the list that is the header's value.
  bool has(std::string_view name, std::string_view token) const;
  bool keep_alive() const {
    return minor_version == 0 ? has("connection", "keep-alive")
                              : !has("connection", "close");
  }
};

struct response {
  int status = 200;
  std::string body;
  std::string extra = {};  // header lines, each with its end
};

inline std::string lower(std::string_view text) {
  std::string low(text);
  for (char& c : low) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return low;
}

inline std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Takes what is before the separator off the front of `text`; all of it if there is none.
inline std::string_view take_until(std::string_view& text, std::string_view separator) {
  const std::size_t at = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(std::min(at + separator.size(), text.size()));
  return part;
}

inline bool request::has(std::string_view name, std::string_view token) const {
  for (std::string_view list : all(name)) {
    while (!list.empty()) {
      if (lower(trim(take_until(list, ","))) == token) return true;
    }
  }
  return false;
}

inline bool is_token(std::string_view text) {
  const auto good = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), good);
}

inline bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return (c < 32 && c != '\t') || c == 127; });
}

template <class Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
  Number n = 0;
  const auto end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, n, base);
  if (error == std::errc::result_out_of_range) return static_cast<Number>(-1);
  if (error != std::errc() || rest != end) return {};
  return n;
}

// ---- the head --------------------------------------------------------------------------

inline int parse_version(std::string_view text) {
  if (text.size() != 8 || !text.starts_with("HTTP/") || text[6] != '.') {
    throw refusal(400, "the request line is METHOD TARGET HTTP/1.1");
  }
  const auto major = parse_number<unsigned>(text.substr(5, 1));
  const auto minor = parse_number<unsigned>(text.substr(7, 1));
  if (!major || !minor) throw refusal(400, "the request line is METHOD TARGET HTTP/1.1");
  if (*major != 1) throw refusal(505, "this server speaks HTTP/1.0 and HTTP/1.1");
  return *minor == 0 ? 0 : 1;
}

inline std::string parse_target(std::string_view text) {
  if (text.size() > target_limit) throw refusal(414, "the target is too long");
  if (text.empty() || has_control(text)) throw refusal(400, "no good target");
  if (text == "*") return "*";
  if (lower(text.substr(0, 7)) == "http://") {  // as one asks a proxy
    text.remove_prefix(std::min(text.find('/', 7), text.size()));
    if (text.empty()) return "/";
  }
  if (text.front() != '/') throw refusal(400, "the target begins with a slash");
  return std::string(text);
}

inline void parse_request_line(std::string_view line, request& r) {
  r.method = take_until(line, " ");
  const std::string_view target = take_until(line, " ");
  if (!is_token(r.method)) throw refusal(400, "no good method");
  r.minor_version = parse_version(line);
  r.target = parse_target(target);
}

inline void parse_header(std::string_view line, request& r) {
  if (r.headers.size() == header_limit) throw refusal(431, "too many headers");
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    throw refusal(400, "a header is NAME: VALUE, on one line");
  }
  const std::string_view value = trim(line.substr(colon + 1));
  if (has_control(value)) throw refusal(400, "a header has no control characters");
  r.headers.emplace_back(lower(line.substr(0, colon)), value);
}

/// All up to the empty line, which is not part of it.
inline request parse_head(std::string_view head) {
  request r;
  parse_request_line(take_until(head, "\r\n"), r);
  while (!head.empty()) parse_header(take_until(head, "\r\n"), r);
  if (r.minor_version == 1 && r.all("host").size() != 1) {
    throw refusal(400, "HTTP/1.1 has one Host");
  }
  return r;
}

/// How long the body is; nothing if it comes in chunks.
inline std::optional<std::uint64_t> body_length(const request& r) {
  const auto lengths = r.all("content-length");
  const auto codings = r.all("transfer-encoding");
  if (!codings.empty()) {
    if (!lengths.empty() || r.minor_version == 0) {
      throw refusal(400, "two lengths for one body");
    }
    if (codings.size() != 1 || lower(codings.front()) != "chunked") {
      throw refusal(501, "the only transfer coding here is chunked");
    }
    return {};
  }
  if (lengths.empty()) return 0;
  const auto length = parse_number<std::uint64_t>(lengths.front());
  if (lengths.size() != 1 || !length) throw refusal(400, "Content-Length is a number");
  if (*length > body_limit) throw refusal(413, "the body is too long");
  return length;
}

// ---- the answer ------------------------------------------------------------------------

inline std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

/// "Sun, 06 Nov 1994 08:49:37 GMT"
inline std::string date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  return {text.data(),
          std::strftime(text.data(), text.size(), "%a, %d %b %Y %T GMT", &parts)};
}

/// In the bytes of the wire. The length of the body is told even if the body is left out.
inline std::string to_bytes(const response& r, bool keep_alive, bool head_only) {
  std::string bytes = "HTTP/1.1 " + std::to_string(r.status) + ' ';
  bytes.append(reason(r.status));
  bytes += "\r\nDate: " + date();
  bytes += "\r\nContent-Type: text/plain\r\nContent-Length: ";
  bytes += std::to_string(r.body.size()) + "\r\n" + r.extra;
  bytes += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  if (!head_only) bytes += r.body;
  return bytes;
}

}  // namespace http
