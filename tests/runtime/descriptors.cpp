#include <sheaf/runtime/loop.hpp>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"
#include "support/pipe.hpp"

using namespace std::chrono_literals;
using sheaf::runtime::loop;
using test::counted;
using test::event_log;

namespace {

auto note(event_log& log, std::string what) {
  return [&log, what] { log.push_back(what); };
}

}  // namespace

TEST_CASE("add_reader: called in each turn while there is something to read [LOOP-32]",
          "[runtime][descriptors][LOOP-32]") {
  loop l;
  const test::pipe p;
  event_log log;
  l.add_reader(p.reading(), note(log, "reader"));
  l.turn();
  CHECK(log.empty());
  p.put();
  l.turn();  // the poll queues it
  l.turn();
  l.turn();
  CHECK(log == event_log{"reader", "reader"});
  p.take();
  l.turn();  // what the last poll has queued
  l.turn();
  CHECK(log == event_log{"reader", "reader", "reader"});
}

TEST_CASE(
    "add_reader: readiness goes through the queue, between what was ready and timers "
    "[LOOP-3] [LOOP-5]",
    "[runtime][descriptors][LOOP-3][LOOP-5]") {
  loop l{sheaf::runtime::clock_kind::manual};
  const test::pipe p;
  event_log log;
  l.add_reader(p.reading(), [&] {
    log.push_back("reader");
    l.remove_reader(p.reading());
  });
  l.call_soon([&] {
    p.put();
    l.advance(1s);
    l.call_soon(note(log, "queued before the poll"));
    l.call_later(0s, note(log, "timer"));
  });
  l.set_budget({1, 0ns});
  l.run_forever();
  CHECK(log == event_log{"queued before the poll", "reader", "timer"});
}

TEST_CASE(
    "add_reader: the loop is not kept from polling by callbacks that queue themselves "
    "[LOOP-6]",
    "[runtime][descriptors][LOOP-6]") {
  loop l;
  const test::pipe p;
  p.put();
  bool seen = false;
  l.add_reader(p.reading(), [&] {
    seen = true;
    l.stop();
  });
  std::function<void()> endless = [&] { l.call_soon(endless); };
  endless();
  l.run_forever();
  CHECK(seen);
}

TEST_CASE("add_writer: reader and writer of a descriptor are independent [LOOP-32]",
          "[runtime][descriptors][LOOP-32]") {
  loop l;
  const test::pipe p;
  event_log log;
  const int both = p.writing();
  CHECK_FALSE(l.remove_reader(both));
  CHECK_FALSE(l.remove_writer(both));
  l.add_reader(both, note(log, "reader"));
  l.add_writer(both, note(log, "writer"));
  l.turn();
  l.turn();
  CHECK(log == event_log{"writer"});
  CHECK(l.remove_reader(both));
  CHECK_FALSE(l.remove_reader(both));
  l.turn();
  CHECK(log == event_log{"writer", "writer"});
  CHECK(l.remove_writer(both));  // although its callback is queued
  CHECK_FALSE(l.remove_writer(both));
  l.turn();
  CHECK(log.size() == 2);
}

TEST_CASE("add_reader: registering again replaces, and destroys what was there [LOOP-32]",
          "[runtime][descriptors][LOOP-32]") {
  counted::reset();
  loop l;
  const test::pipe p;
  p.put();
  event_log log;
  l.add_reader(p.reading(), [&log, held = counted()] { log.push_back("first"); });
  l.turn();  // "first" is queued
  CHECK(counted::alive == 1);
  l.add_reader(p.reading(), note(log, "second"));
  CHECK(counted::alive == 0);
  l.turn();
  l.turn();
  CHECK(log == event_log{"second"});
}

TEST_CASE("add_reader: a callback may remove and replace itself [LOOP-32]",
          "[runtime][descriptors][LOOP-32]") {
  counted::reset();
  loop l;
  const test::pipe p;
  p.put();
  event_log log;
  l.add_reader(p.reading(), [&, held = counted()] {
    log.push_back("once");
    CHECK(l.remove_reader(p.reading()));
    CHECK_FALSE(l.remove_reader(p.reading()));
    CHECK(counted::alive == 1);  // it runs: it dies when it has returned
    l.add_reader(p.reading(), [&] {
      log.push_back("replaced");
      l.remove_reader(p.reading());
    });
  });
  l.run_forever();  // nobody is left
  CHECK(log == event_log{"once", "replaced"});
  CHECK(counted::alive == 0);
}

TEST_CASE("add_reader: a callback may remove another that is queued after it [LOOP-32]",
          "[runtime][descriptors][LOOP-32]") {
  counted::reset();
  loop l;
  const test::pipe p, q;
  p.put();
  q.put();
  int ran = 0;
  const auto remove_both = [&, held = counted()] {
    ++ran;
    CHECK(l.remove_reader(p.reading()));
    CHECK(l.remove_reader(q.reading()));
  };
  l.add_reader(p.reading(), remove_both);
  l.add_reader(q.reading(), remove_both);
  l.run_forever();
  CHECK(ran == 1);
  CHECK(counted::alive == 1);  // ours
}

TEST_CASE("add_reader: an error of the descriptor is told to both sides",
          "[runtime][descriptors]") {
  loop l;
  test::pipe p;
  event_log log;
  l.add_writer(p.writing(), note(log, "writer"));
  l.add_reader(p.writing(), note(log, "reader"));
  p.close_reading();  // EPOLLERR at the other end
  l.turn();
  l.turn();
  CHECK(log == event_log{"reader", "writer"});
  l.turn();  // and again, until it is removed
  CHECK(log == event_log{"reader", "writer", "reader", "writer"});
}

TEST_CASE("add_reader: the end of a pipe is readable", "[runtime][descriptors]") {
  loop l;
  test::pipe p;
  event_log log;
  l.add_reader(p.reading(), [&] {
    log.push_back("end");
    l.remove_reader(p.reading());
  });
  p.close_writing();
  l.run_forever();
  CHECK(log == event_log{"end"});
}

TEST_CASE("add_reader: an exception goes to the handler, and the reader stays [LOOP-17]",
          "[runtime][descriptors][LOOP-17]") {
  loop l;
  const test::pipe p;
  p.put();
  event_log log;
  l.set_exception_handler(
      [&](const sheaf::exception_context& c) { log.push_back(sheaf::describe(c)); });
  l.add_reader(p.reading(), [] { throw std::runtime_error("boom"); });
  l.turn();
  l.turn();
  l.turn();
  const std::string report = "exception in reader callback: std::runtime_error: boom";
  CHECK(log == event_log{report, report});
}

TEST_CASE("add_reader: a reader keeps the loop running, and time from jumping",
          "[runtime][descriptors]") {
  loop l{sheaf::runtime::clock_kind::virtual_};
  const test::pipe p;
  event_log log;
  l.call_later(1h, note(log, "an hour later"));
  l.add_reader(p.reading(), [&] {
    log.push_back("reader");
    l.remove_reader(p.reading());
  });
  l.turn();
  l.turn();
  CHECK(log.empty());
  p.put();
  l.run_forever();
  CHECK(log == event_log{"reader", "an hour later"});
}

TEST_CASE("add_reader: what cannot be watched is refused and leaves nothing",
          "[runtime][descriptors]") {
  loop l;
  CHECK_THROWS_AS(l.add_reader(-1, [] {}), sheaf::uv_error);
  std::FILE* const file = std::tmpfile();
  CHECK_THROWS_AS(l.add_writer(fileno(file), [] {}), sheaf::uv_error);
  CHECK_FALSE(l.remove_writer(fileno(file)));
  std::fclose(file);
  const test::pipe p;
  CHECK_THROWS_AS(l.add_reader(p.reading(), nullptr), sheaf::invalid_state);
  CHECK_FALSE(l.remove_reader(p.reading()));
}

TEST_CASE("add_reader: a descriptor's number may be used again",
          "[runtime][descriptors]") {
  loop l;
  event_log log;
  for (int i = 0; i < 3; ++i) {
    const test::pipe p;
    p.put();
    l.add_reader(p.reading(), [&] {
      log.push_back("read");
      l.remove_reader(p.reading());
    });
    l.run_forever();
  }
  CHECK(log == event_log{"read", "read", "read"});
}

TEST_CASE(
    "add_reader: on a closed loop adding is an error and removing gives false [LOOP-33]",
    "[runtime][descriptors][LOOP-33]") {
  counted::reset();
  const test::pipe p;
  p.put();
  loop l;
  l.add_reader(p.reading(), [held = counted()] { FAIL("closed before it ran"); });
  l.add_writer(p.writing(), [held = counted()] { FAIL("closed before it ran"); });
  l.turn();  // both are queued
  l.close();
  CHECK(counted::alive == 0);
  CHECK_FALSE(l.remove_reader(p.reading()));
  CHECK_FALSE(l.remove_writer(p.writing()));
  CHECK_THROWS_AS(l.add_reader(p.reading(), [] {}), sheaf::invalid_state);
  CHECK_THROWS_AS(l.add_writer(p.writing(), [] {}), sheaf::invalid_state);
}

TEST_CASE("add_reader: what a callback owns may use the loop when it dies",
          "[runtime][descriptors]") {
  struct remover {
    loop* l;
    int descriptor;
    std::vector<bool>* answers;
    remover(loop& of, int d, std::vector<bool>& a) : l(&of), descriptor(d), answers(&a) {}
    remover(remover&& o) noexcept
        : l(std::exchange(o.l, nullptr)), descriptor(o.descriptor), answers(o.answers) {}
    ~remover() {
      if (l) answers->push_back(l->remove_reader(descriptor));
    }
    void operator()() const {}
  };
  std::vector<bool> answers;
  const test::pipe p, q;
  loop l;
  l.add_reader(q.reading(), [] {});
  l.add_reader(p.reading(), remover(l, q.reading(), answers));
  l.remove_reader(p.reading());
  CHECK(answers == std::vector<bool>{true});
  l.add_reader(p.reading(), remover(l, p.reading(), answers));
  l.close();
  CHECK(answers == std::vector<bool>{true, false});
}
