// gateway PORT BACK_END:MILLISECONDS...: one question goes out to many back ends, each with
// a time limit of its own, and their answers come back in the way the client asks for:
//     all QUESTION         every back end's answer or failure, in order        (gather)
//     stream QUESTION      the same, each as soon as it is there         (as_completed)
//     quorum K QUESTION    the first K answers                                 (quorum)
//     hedge QUESTION       one answer; the next back end if it takes long       (hedge)
//     stats                what went to and fro
// A back end is a port of this machine. It gets "QUESTION\n", and answers "LENGTH\n" with
// that many bytes, and the end.
#include "serving.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

constexpr std::size_t longest_answer = 65'536;

struct back_end {
  std::string name;
  std::uint16_t port;
  std::chrono::milliseconds limit;
  sheaf::semaphore slots{64};  // connections at a time: one that stalls takes no more
  std::size_t asked = 0, sent = 0, received = 0;
};

struct site {
  std::deque<back_end> back_ends;
  serving::lounge guests;
  std::size_t clients = 0, read = 0, written = 0;
};

// ---- one back end ----------------------------------------------------------------------

sheaf::coro<std::string> ask(back_end& b, std::string question) {
  const auto slot = co_await b.slots.scoped_lock();
  sheaf::stream s = co_await sheaf::open_connection("127.0.0.1", b.port);
  ++b.asked;
  b.sent += question.size() + 1;
  co_await s.write(question + '\n');
  std::string head = co_await s.readline();
  b.received += head.size();
  std::size_t length = 0;
  if (!head.empty()) head.pop_back();
  if (!serving::parse(head, length) || length > longest_answer) {
    throw std::runtime_error("it told no good length");
  }
  std::string answer = co_await s.readexactly(length);
  b.received += answer.size();
  const std::string more = co_await s.read(1);
  if (!more.empty()) throw std::runtime_error("it sent more than it told");
  if (answer.find('\n') != std::string::npos) {  // it could answer for others
    throw std::runtime_error("it sent more than a line");
  }
  co_return answer;
}

auto ask_in_time(back_end& b, const std::string& question) {
  return sheaf::wait_for(ask(b, question), b.limit);
}

std::vector<sheaf::coro<std::string>> ask_each(site& s, const std::string& question) {
  std::vector<sheaf::coro<std::string>> asks;
  for (back_end& b : s.back_ends) asks.push_back(ask_in_time(b, question));
  return asks;
}

// "NAME ok ANSWER\n" or "NAME failed REASON\n".
std::string to_line(const back_end& b, const sheaf::outcome<std::string>& how) {
  try {
    return b.name + " ok " + how.value() + '\n';
  } catch (const sheaf::timeout_error&) {
    return b.name + " failed it took too long\n";
  } catch (const sheaf::incomplete_read&) {
    return b.name + " failed it sent less than it told\n";
  } catch (const std::exception& error) {
    return b.name + " failed " + error.what() + '\n';
  }
}

sheaf::coro<std::string> report(back_end& b, std::string question) {
  const auto how = co_await sheaf::as_outcome(ask_in_time(b, question));
  co_return to_line(b, how);
}

// ---- one question to all of them -------------------------------------------------------

sheaf::coro<> say(site& s, sheaf::stream& client, std::string text) {
  s.written += text.size();
  co_await sheaf::wait_for(client.write(text),
                           10s);  // a client that takes nothing is left
}

sheaf::coro<> all(site& s, sheaf::stream& client, std::string question) {
  const auto outcomes =
      co_await sheaf::gather(sheaf::return_exceptions, ask_each(s, question));
  std::string text;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    text += to_line(s.back_ends[i], outcomes[i]);
  }
  co_await say(s, client, std::move(text));
}

sheaf::coro<> stream(site& s, sheaf::stream& client, std::string question) {
  std::vector<sheaf::coro<std::string>> reports;
  for (back_end& b : s.back_ends) reports.push_back(report(b, question));
  for (auto&& next : sheaf::as_completed(std::move(reports))) {
    std::string line = co_await next;
    co_await say(s, client, std::move(line));
  }
}

sheaf::coro<> quorum(site& s, sheaf::stream& client, std::size_t k,
                     std::string question) {
  std::string text;
  try {
    for (const auto& [i, answer] : co_await sheaf::quorum(k, ask_each(s, question))) {
      text += to_line(s.back_ends[i], answer);
    }
  } catch (const sheaf::exception_group& failed) {
    text = "failed " + std::to_string(failed.exceptions().size()) + " back ends\n";
  } catch (const std::invalid_argument& wrong) {
    text = std::string("error ") + wrong.what() + '\n';
  }
  co_await say(s, client, std::move(text));
}

sheaf::coro<> hedge(site& s, sheaf::stream& client, std::string question) {
  std::string text;
  try {
    const auto [i, answer] = co_await sheaf::hedge(50ms, ask_each(s, question));
    text = to_line(s.back_ends[i], answer);
  } catch (const sheaf::exception_group& failed) {
    text = "failed " + std::to_string(failed.exceptions().size()) + " back ends\n";
  }
  co_await say(s, client, std::move(text));
}

std::string stats(const site& s) {
  std::ostringstream text;
  text << "clients " << s.clients << ' ' << s.read << ' ' << s.written << '\n';
  for (const back_end& b : s.back_ends) {
    text << b.name << ' ' << b.asked << ' ' << b.sent << ' ' << b.received << '\n';
  }
  return text.str();
}

// ---- one client ------------------------------------------------------------------------

sheaf::coro<> obey(site& s, sheaf::stream& client, std::string line) {
  std::istringstream words(line);
  std::string verb, question;
  std::size_t k = 0;
  words >> verb;
  if (verb == "quorum") words >> k;
  std::getline(words >> std::ws, question);
  if (verb == "all") {
    co_await all(s, client, question);
  } else if (verb == "stream") {
    co_await stream(s, client, question);
  } else if (verb == "quorum") {
    co_await quorum(s, client, k, question);
  } else if (verb == "hedge") {
    co_await hedge(s, client, question);
  } else if (verb == "stats") {
    co_await say(s, client, stats(s));
  } else {
    co_await say(s, client, "error all, stream, quorum K, hedge, or stats\n");
  }
  co_await say(s, client, ".\n");
}

sheaf::coro<std::string> next_line(site& s, sheaf::stream& client) {
  const serving::lounge::seat waiting(s.guests, client);
  co_return co_await client.readline();
}

sheaf::coro<> converse(site& s, sheaf::stream client) {
  ++s.clients;
  try {
    while (!s.guests.is_closing()) {
      std::string line = co_await next_line(s, client);
      s.read += line.size();
      if (!line.ends_with('\n')) co_return;  // it ended, or this server does
      line.pop_back();
      co_await obey(s, client, std::move(line));
    }
  } catch (const sheaf::limit_overrun&) {  // nobody means a line like that
  } catch (const sheaf::uv_error&) {       // the client is gone
  } catch (const sheaf::timeout_error&) {  // it takes nothing
    client.abort();
  }
}

// ---- all of them -----------------------------------------------------------------------

sheaf::coro<> serve(site& here, std::uint16_t port) {
  sheaf::server server = co_await sheaf::start_server(
      std::bind_front(converse, std::ref(here)), "127.0.0.1", port);
  std::cout << "LISTENING " << server.port() << std::endl;
  co_await serving::told_to_stop();
  co_await serving::shut_down(server, here.guests, 10s);
}

bool add_back_end(site& here, std::string_view text) {
  const std::size_t colon = std::min(text.find(':'), text.size() - 1);
  std::uint16_t port = 0;
  std::uint32_t limit = 0;
  if (!serving::parse(text.substr(0, colon), port) ||
      !serving::parse(text.substr(colon + 1), limit)) {
    return false;
  }
  here.back_ends.emplace_back(std::to_string(here.back_ends.size()), port,
                              std::chrono::milliseconds(limit));
  return true;
}

int main(int argc, char** argv) {
  site here;  // longer than run(), which ends whatever refers to it
  std::uint16_t port = 0;
  const bool wants_help = argc == 2 && std::string_view(argv[1]) == "--help";
  bool good = argc > 2 && serving::parse(argv[1], port);
  for (int i = 2; good && i < argc; ++i) good = add_back_end(here, argv[i]);
  if (!good) {
    (wants_help ? std::cout : std::cerr)
        << "usage: gateway PORT BACK_END:MILLISECONDS...\n\n"
           "Sends questions that come to 127.0.0.1:PORT (0: one that is free) on to "
           "ports of\n"
           "this machine. Verbs: all, stream, quorum K, hedge, each with a question; "
           "stats.\n";
    return wants_help ? 0 : 2;
  }
  return serving::run("gateway", serve(here, port));
}
