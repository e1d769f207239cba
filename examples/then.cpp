// Promises, futures and callbacks: the layer below coroutines, usable without them.
#include <sheaf/sheaf.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

using namespace std::chrono_literals;

std::chrono::milliseconds unit = 100ms;

// What an API with callbacks becomes: a promise kept by the callback, a future handed out.
sheaf::future<int> square_later(sheaf::loop& l, int x) {
  sheaf::promise<int> kept(l);
  auto result = kept.get_future();
  l.call_later(unit, [x, kept = std::move(kept)]() mutable {
    if (x >= 0) return kept.set_value(x * x);
    kept.set_exception(std::make_exception_ptr(std::domain_error("a negative number")));
  });
  return result;
}

void value_by_value(sheaf::loop& l) {
  auto text = square_later(l, 6)
                  .then([](int x) { return x + 6; })
                  .then([&l](int x) { return square_later(l, x); })  // waits for it
                  .then([](int x) { return "42 squared is " + std::to_string(x); });
  text.add_done_callback([](const sheaf::future<std::string>& done) {
    std::cout << "callback: " << done.result() << '\n';
  });
  const std::string result = l.run_until_complete(text);
  std::cout << "returned: " << result << '\n';
}

void an_error_passes_by(sheaf::loop& l) {
  auto recovered = square_later(l, -1)
                       .then([](int x) { return x + 1; })  // not called
                       .then([](const sheaf::future<int>& tried) {
                         return tried.exception() ? 0 : tried.result();
                       });
  std::cout << "recovered: " << l.run_until_complete(recovered) << '\n';
}

void callbacks_alone(sheaf::loop& l) {
  auto never = l.call_later(1h, [] { std::cout << "an hour has passed\n"; });
  l.call_soon([] { std::cout << "soon\n"; });
  l.call_later(unit, [] { std::cout << "later\n"; });
  l.call_later(2 * unit, [&l] { l.stop(); });
  l.run_forever();
  never.cancel();
  std::cout << "stopped\n";
}

int main(int argc, char** argv) {
  if (argc > 1) unit = std::chrono::milliseconds(std::atoi(argv[1]));
  sheaf::loop l;
  value_by_value(l);
  an_error_passes_by(l);
  callbacks_alone(l);
}
