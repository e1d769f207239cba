// unix_server PATH: a table that the programs of this machine set, get and wait for:
//     set NAME VALUE    get NAME    wait NAME
#include "serving.hpp"

#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>

using namespace std::chrono_literals;

struct entry {
  std::string value;
  sheaf::event is_set;
};

struct site {
  std::map<std::string, entry> table;
  serving::lounge guests;
};

// Between two co_awaits nothing else runs: the table needs no lock.
sheaf::coro<std::string> obey(site& s, std::string line) {
  std::istringstream words(line);
  std::string verb, name, value;
  words >> verb >> name;
  std::getline(words >> std::ws, value);
  if (name.empty() || (verb != "set" && verb != "get" && verb != "wait"))
    co_return "error: set NAME VALUE, get NAME, wait NAME";
  entry& e = s.table[name];
  if (verb == "set") {
    e.value = value;
    e.is_set.set();
    co_return "ok";
  }
  if (verb == "get" && !e.is_set.is_set()) co_return "none";
  co_await e.is_set.wait();  // until another client sets it
  co_return "is " + e.value;
}

sheaf::coro<std::string> next_line(site& s, sheaf::stream& peer) {
  const serving::lounge::seat waiting(s.guests, peer);
  co_return co_await peer.readline();
}

sheaf::coro<> converse(site& s, sheaf::stream peer) {
  try {
    while (!s.guests.is_closing()) {
      std::string line = co_await next_line(s, peer);
      if (!line.ends_with('\n')) co_return;  // it ended, or this server does
      const std::string answer = co_await obey(s, std::move(line));
      co_await peer.write(answer + '\n');
    }
  } catch (const sheaf::limit_overrun&) {  // nobody means a line like that
  } catch (const sheaf::uv_error&) {       // the peer is gone
  }
}

sheaf::coro<> serve(site& here, std::string path) {
  sheaf::server server =
      co_await sheaf::start_unix_server(std::bind_front(converse, std::ref(here)), path);
  std::cout << "LISTENING " << path << std::endl;
  co_await serving::told_to_stop();
  co_await serving::shut_down(server, here.guests, 1s);
}

int main(int argc, char** argv) {
  const bool wants_help = argc == 2 && std::string_view(argv[1]) == "--help";
  if (argc != 2 || wants_help || *argv[1] == '\0') {
    (wants_help ? std::cout : std::cerr)
        << "usage: unix_server PATH\n\n"
           "Listens at PATH. Try: echo 'set sun hot' | socat - UNIX-CONNECT:PATH\n";
    return wants_help ? 0 : 2;
  }
  site here;
  return serving::run("unix_server", serve(here, argv[1]));
}
