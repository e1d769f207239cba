// echo_server [PORT]: sends every line back, to any number of clients, until Ctrl-C.
#include <sheaf/sheaf.hpp>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>

using namespace std::chrono_literals;

// One connection. What happens to it, or is thrown, is no matter of the others.
sheaf::coro<> echo(sheaf::stream peer) {
  try {
    while (const auto line = co_await peer.next_line()) {
      co_await peer.write(*line);  // waits while the peer takes too little
    }
  } catch (const sheaf::limit_overrun&) {
    peer.write_nowait("a line has up to 65536 bytes\n");
  } catch (const sheaf::uv_error&) {
    // The peer is gone, or this server ends.
  }
}  // peer closes, when what was written has gone

sheaf::coro<> serve(std::uint16_t port) {
  sheaf::signal_stream signals({SIGINT, SIGTERM});
  sheaf::server server = co_await sheaf::start_server(echo, "127.0.0.1", port);
  std::cout << "LISTENING " << server.port() << std::endl;
  co_await signals.next();
  server.close_clients();  // each finds the end, after what was sent to it
  // Takes no more, and waits until all have gone; who does not go in time is cut off.
  const auto report = co_await server.shutdown(2s);
  if (!report.clean()) std::cerr << report.describe() << '\n';
}

// A port from the command line; 0 is any that is free.
bool parse_port(std::string_view text, std::uint16_t& port) {
  const auto end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && rest == end;
}

int main(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "0";
  std::uint16_t port = 0;
  const bool wants_help = first == "--help";
  if (argc > 2 || wants_help || !parse_port(first, port)) {
    (wants_help ? std::cout : std::cerr)
        << "usage: echo_server [PORT]\n\n"
           "Sends every line back that comes to 127.0.0.1:PORT. Port 0, the default, is\n"
           "one that is free; it is printed. SIGINT and SIGTERM end it.\n";
    return wants_help ? 0 : 2;
  }
  try {
    sheaf::run(serve(port));
  } catch (const std::exception& error) {
    std::cerr << "echo_server: " << error.what() << '\n';
    return 1;
  }
}
