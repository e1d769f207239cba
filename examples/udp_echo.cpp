// udp_echo: a server of datagrams, and a client that does not wait for ever.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using sheaf::address;

sheaf::coro<> serve(sheaf::udp_socket s) {
  for (;;) {
    const sheaf::datagram d = co_await s.receive();
    co_await s.send_to("you said " + d.bytes, d.sender);
  }
}

// A datagram may be lost on its way, either way: ask again.
sheaf::coro<std::string> ask(sheaf::udp_socket& s, std::string question) {
  for (;;) {
    co_await s.send(question);
    try {
      const sheaf::datagram answer = co_await sheaf::wait_for(s.receive(), 5s);
      co_return answer.bytes;
    } catch (const sheaf::timeout_error&) {
      std::cout << "no answer\n";
    }
  }
}

int main() {
  sheaf::run([]() -> sheaf::coro<> {
    sheaf::udp_socket server;
    server.bind(address::ip("127.0.0.1", 0));
    const address where = server.local_address();
    const sheaf::scoped_task serving(serve(std::move(server)));

    sheaf::udp_socket client;
    client.connect(where);
    for (const char* word : {"hello", "goodbye"}) {
      const std::string answer = co_await ask(client, word);
      std::cout << answer << '\n';
    }
  }());
}
