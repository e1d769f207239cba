// A server that numbers the lines it gets, and a client that ends its side and reads on.

#include <sheaf/sheaf.hpp>

#include <cstdio>
#include <string>

sheaf::coro<> number_lines(sheaf::stream s) {
  int n = 0;
  while (auto line = co_await s.next_line()) {
    // Waits here while the client takes too little.
    co_await s.write(std::to_string(++n) + ": " + *line);
  }
  co_await s.write("that was all\n");
}  // s closes when what was written has gone

sheaf::coro<> ask(std::uint16_t port) {
  sheaf::stream s = co_await sheaf::open_connection("127.0.0.1", port);
  co_await s.write("one\ntwo\n");
  co_await s.write("three\n");
  s.write_eof();  // nothing more from here; reading goes on
  const std::string first = co_await s.readexactly(3);
  std::printf("the first three bytes: \"%s\"\n", first.c_str());
  while (auto line = co_await s.next_line()) std::printf("%s", line->c_str());
}

sheaf::coro<> too_long(std::uint16_t port) {
  const auto small = sheaf::connection_options().limit(8);
  sheaf::stream s = co_await sheaf::open_connection("127.0.0.1", port, small);
  co_await s.write("a line that is too long for this reader\nshort\n");
  s.write_eof();
  const auto line = co_await sheaf::as_outcome(s.readuntil("\n"));
  if (line.has_value()) co_return;
  // Nothing is lost: the bytes are still there to be read another way.
  const std::string part = co_await s.readexactly(6);
  std::printf("too long; it begins \"%s...\"\n", part.c_str());
}

sheaf::coro<> client_and_server() {
  sheaf::server server = co_await sheaf::start_server(number_lines, "127.0.0.1", 0);
  co_await ask(server.port());
  co_await too_long(server.port());
}

int main() { sheaf::run(client_and_server()); }
