// A server that is asked to stop lets its connections finish, for a while, and tells which
// did not.
#include <sheaf/sheaf.hpp>

#include <iostream>
#include <string>

using namespace std::chrono_literals;

// Sends every line back.
sheaf::coro<> echo(sheaf::stream peer) {
  for (;;) {
    const std::string line = co_await peer.readline();
    if (line.empty()) co_return;  // the end of what the peer sends
    co_await peer.write(line);
  }
}

sheaf::coro<sheaf::stream> say(const sheaf::server& to, std::string line) {
  sheaf::stream s = co_await sheaf::open_connection("127.0.0.1", to.port());
  co_await s.write(line);
  std::cout << "back came: " << co_await s.readline();
  co_return s;
}

void tell(const sheaf::shutdown_report& report) {
  std::cout << report.finished << " finished, " << report.unfinished.size()
            << " did not\n";
  for (const sheaf::unfinished_connection& c : report.unfinished) {
    const bool cancelled = c.end == sheaf::shutdown_end::cancelled;
    std::cout << c.name.substr(0, c.name.find(" from")) << ' '
              << (cancelled ? "was cancelled" : "was aborted") << ", " << c.unsent
              << " bytes unsent\n";
  }
}

sheaf::coro<> day() {
  sheaf::server server = co_await sheaf::start_server(echo, "127.0.0.1", 0);
  sheaf::stream quick = co_await say(server, "I am about to leave\n");
  sheaf::stream slow = co_await say(server, "I stay\n");
  quick.write_eof();
  // Takes no more connections, and cancels after 100 ms who is left.
  tell(co_await server.shutdown(100ms));
}

int main() { sheaf::run(day()); }
