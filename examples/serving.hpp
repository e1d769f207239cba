// What the servers here share: their arguments, and an end without a loss.
#pragma once

#include <sheaf/sheaf.hpp>

#include <charconv>
#include <chrono>
#include <csignal>
#include <iostream>
#include <set>
#include <string_view>
#include <utility>

namespace serving {

/// A number from the command line, whole and in range.
template <class Number>
bool parse(std::string_view text, Number& number) {
  const auto end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && rest == end;
}

/// Runs `main` and gives the status of the program.
inline int run(const char* program, sheaf::coro<> main) {
  try {
    sheaf::run(std::move(main));
    return 0;
  } catch (const std::exception& error) {
    std::cerr << program << ": " << error.what() << '\n';
    return 1;
  }
}

/// The connections that wait for a request: who shuts down closes them at once, and lets the
/// others answer first.
class lounge {
 public:
  /// While it lives, `guest` waits.
  class seat {
   public:
    seat(lounge& l, sheaf::stream& guest) : lounge_(l), guest_(guest) {
      lounge_.waiting_.insert(&guest);
    }
    seat(const seat&) = delete;
    seat& operator=(const seat&) = delete;
    ~seat() { lounge_.waiting_.erase(&guest_); }

   private:
    lounge& lounge_;
    sheaf::stream& guest_;
  };

  bool is_closing() const noexcept { return closing_; }
  void close() {
    closing_ = true;
    for (sheaf::stream* const each : waiting_) each->close();
  }

 private:
  bool closing_ = false;
  std::set<sheaf::stream*> waiting_;
};

/// Returns after SIGINT or SIGTERM.
inline sheaf::coro<> told_to_stop() {
  sheaf::signal_stream signals({SIGINT, SIGTERM});
  co_await signals.next();
}

/// Takes no more clients, and gives those there `patience` for their answers.
inline sheaf::coro<> shut_down(sheaf::server& server, lounge& guests,
                               std::chrono::milliseconds patience) {
  server.close();
  guests.close();
  const auto report = co_await server.shutdown(patience);
  if (!report.clean()) std::cerr << report.describe() << '\n';
}

}  // namespace serving
