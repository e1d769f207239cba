#include <sheaf/future.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>

#include <exception>
#include <stdexcept>
#include <string>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/event_log.hpp"
#include "support/report_log.hpp"

using test::event_log;
using int_future = sheaf::future<int>;

namespace {

sheaf::loop_options virtual_clock() { return sheaf::loop_options().virtual_time(); }

/// Writes its name when it is called.
struct noting {
  event_log& log;
  std::string name;
  void operator()(const int_future&) const { log.push_back(name); }
};

}  // namespace

TEST_CASE("future callbacks: none runs inside the call that settles [FUT-6]",
          "[api][future_callbacks][FUT-6]") {
  sheaf::loop l(virtual_clock());
  const auto settled_by = [&l](auto settle) {
    event_log log;
    sheaf::promise<int> p(l);
    p.get_future().add_done_callback(noting{log, "callback"});
    settle(p);
    log.push_back("settled");
    l.run_forever();
    static_cast<void>(p.get_future().cancel());
    return log;
  };
  const event_log expected{"settled", "callback"};
  CHECK(settled_by([](auto& p) { p.set_value(1); }) == expected);
  CHECK(settled_by([](auto& p) { p.get_future().cancel(); }) == expected);
  CHECK(settled_by([](auto& p) {
          p.set_exception(std::make_exception_ptr(std::runtime_error("boom")));
        }) == expected);
}

TEST_CASE("future callbacks: settling queues them behind what is queued [FUT-6]",
          "[api][future_callbacks][FUT-6]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  p.get_future().add_done_callback(noting{log, "callback"});
  l.call_soon([&log] { log.push_back("before"); });
  p.set_value(1);
  l.call_soon([&log] { log.push_back("after"); });
  l.run_forever();
  CHECK(log == event_log{"before", "callback", "after"});
}

TEST_CASE("future callbacks: the list is empty once it is settled [FUT-6]",
          "[api][future_callbacks][FUT-6]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const auto id = p.get_future().add_done_callback(noting{log, "callback"});
  p.set_value(1);
  CHECK(p.get_future().remove_done_callback(id) == 0);  // queued: too late
  l.run_forever();
  CHECK(log == event_log{"callback"});
}

TEST_CASE("future callbacks: they are queued in the order of registration [FUT-7]",
          "[api][future_callbacks][FUT-7]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const int_future f = p.get_future();
  for (const char* name : {"a", "b", "c", "d"}) f.add_done_callback(noting{log, name});
  p.set_value(1);
  l.run_forever();
  CHECK(log == event_log{"a", "b", "c", "d"});
}

TEST_CASE("future callbacks: one added to a done future is queued, not called [FUT-8]",
          "[api][future_callbacks][FUT-8]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  p.set_value(1);
  l.call_soon([&log] { log.push_back("before"); });
  p.get_future().add_done_callback(noting{log, "callback"});
  l.call_soon([&log] { log.push_back("after"); });
  CHECK(log.empty());
  l.run_forever();
  CHECK(log == event_log{"before", "callback", "after"});
}

TEST_CASE("future callbacks: one added by a callback runs a batch later [FUT-8]",
          "[api][future_callbacks][FUT-8]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  p.get_future().add_done_callback([&log](const int_future& f) {
    log.push_back("first");
    f.add_done_callback(noting{log, "added by first"});
  });
  p.get_future().add_done_callback(noting{log, "second"});
  p.set_value(1);
  l.run_forever();
  CHECK(log == event_log{"first", "second", "added by first"});
}

TEST_CASE("future callbacks: each gets the future itself, once [FUT-9]",
          "[api][future_callbacks][FUT-9]") {
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const int_future f = p.get_future();
  std::vector<int_future> given;
  f.add_done_callback([&given](int_future it) { given.push_back(std::move(it)); });
  p.set_value(5);
  l.run_forever();
  REQUIRE(given.size() == 1);
  CHECK(given[0] == f);
  CHECK(given[0].result() == 5);
}

TEST_CASE("future callbacks: a queued one keeps its future alive [FUT-9]",
          "[api][future_callbacks][FUT-9]") {
  int got = 0;
  sheaf::loop l(virtual_clock());
  {
    sheaf::promise<int> p(l);
    p.get_future().add_done_callback([&got](const int_future& f) { got = f.result(); });
    p.set_value(5);
  }
  l.run_forever();
  CHECK(got == 5);
}

// asyncio removes by the callback's identity; C++ callables have none, so each registration
// has an id of its own and at most one is removed.
TEST_CASE("future callbacks: a removed one is not called, the others keep order [FUT-10]",
          "[api][future_callbacks][FUT-10]") {
  const std::vector<std::string> names{"a", "b", "c"};
  for (std::size_t gone = 0; gone < names.size(); ++gone) {
    event_log log;
    sheaf::loop l(virtual_clock());
    sheaf::promise<int> p(l);
    const int_future f = p.get_future();
    std::vector<sheaf::callback_id> ids;
    for (const auto& name : names) ids.push_back(f.add_done_callback(noting{log, name}));
    CHECK(f.remove_done_callback(ids[gone]) == 1);
    CHECK(f.remove_done_callback(ids[gone]) == 0);
    p.set_value(1);
    l.run_forever();
    event_log expected = names;
    expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(gone));
    CHECK(log == expected);
  }
}

TEST_CASE("future callbacks: an id of another future removes nothing [FUT-10]",
          "[api][future_callbacks][FUT-10]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  sheaf::promise<int> q(l);
  const auto of_p = p.get_future().add_done_callback(noting{log, "p"});
  const auto of_q = q.get_future().add_done_callback(noting{log, "q"});
  CHECK(of_p != of_q);
  CHECK(q.get_future().remove_done_callback(of_p) == 0);
  CHECK(p.get_future().remove_done_callback(sheaf::callback_id{}) == 0);
  p.set_value(1);
  q.set_value(1);
  l.run_forever();
  CHECK(log == event_log{"p", "q"});
}

TEST_CASE("future callbacks: a removed one dies at once [FUT-10]",
          "[api][future_callbacks][FUT-10]") {
  test::counted::reset();
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const auto id =
      p.get_future().add_done_callback([c = test::counted(1)](const int_future&) {});
  CHECK(test::counted::alive == 1);
  p.get_future().remove_done_callback(id);
  CHECK(test::counted::alive == 0);
}

TEST_CASE("future callbacks: one registered n times is called n times [FUT-11]",
          "[api][future_callbacks][FUT-11]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const noting callback{log, "callback"};
  for (int i = 0; i < 3; ++i) p.get_future().add_done_callback(callback);
  p.set_value(1);
  l.run_forever();
  CHECK(log == event_log{"callback", "callback", "callback"});
}

TEST_CASE("future callbacks: the list may be changed from inside one [FUT-12]",
          "[api][future_callbacks][FUT-12]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const int_future f = p.get_future();
  std::vector<sheaf::callback_id> ids(3);
  ids[0] = f.add_done_callback([&](const int_future& it) {
    // All are queued by now: removing comes too late, and doubles none.
    for (const auto id : ids) log.push_back(std::to_string(it.remove_done_callback(id)));
    it.add_done_callback(noting{log, "added"});
  });
  ids[1] = f.add_done_callback(noting{log, "second"});
  ids[2] = f.add_done_callback(noting{log, "third"});
  p.set_value(1);
  l.run_forever();
  CHECK(log == event_log{"0", "0", "0", "second", "third", "added"});
}

namespace {

/// Removes the others when it is destroyed: removal that re-enters removal.
struct removing_when_destroyed {
  int_future* f = nullptr;
  std::vector<sheaf::callback_id>* ids = nullptr;
  removing_when_destroyed(int_future* future, std::vector<sheaf::callback_id>* all)
      : f(future), ids(all) {}
  removing_when_destroyed(removing_when_destroyed&& o) noexcept
      : f(std::exchange(o.f, nullptr)), ids(o.ids) {}
  ~removing_when_destroyed() {
    if (!f) return;
    for (const auto id : *ids) f->remove_done_callback(id);
  }
  void operator()(const int_future&) const {}
};

}  // namespace

TEST_CASE("future callbacks: removing one may remove the others [FUT-12]",
          "[api][future_callbacks][FUT-12]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  int_future f = p.get_future();
  std::vector<sheaf::callback_id> ids;
  ids.push_back(f.add_done_callback(noting{log, "a"}));
  ids.push_back(f.add_done_callback(removing_when_destroyed(&f, &ids)));
  ids.push_back(f.add_done_callback(noting{log, "c"}));
  f.add_done_callback(noting{log, "kept"});
  CHECK(f.remove_done_callback(ids[1]) == 1);
  p.set_value(1);
  l.run_forever();
  CHECK(log == event_log{"kept"});
}

TEST_CASE("future callbacks: one may drop the last handle of its future [FUT-12]",
          "[api][future_callbacks][FUT-12]") {
  event_log log;
  sheaf::loop l(virtual_clock());
  auto p = std::make_unique<sheaf::promise<int>>(l);
  p->get_future().add_done_callback([&](const int_future&) {
    p.reset();
    log.push_back("dropped");
  });
  p->get_future().add_done_callback(noting{log, "next"});
  p->set_value(1);
  l.run_forever();
  CHECK(log == event_log{"dropped", "next"});
}

TEST_CASE("future callbacks: what one throws is reported and stops no other",
          "[api][future_callbacks]") {
  event_log log;
  test::report_log reports;
  sheaf::loop l(virtual_clock());
  reports.listen(l);
  sheaf::promise<int> p(l);
  p.get_future().add_done_callback(
      [](const int_future&) { throw std::runtime_error("from a callback"); });
  p.get_future().add_done_callback(noting{log, "next"});
  p.set_value(1);
  l.run_forever();
  CHECK(log == event_log{"next"});
  CHECK(reports.messages() == event_log{"exception in a done callback"});
}

TEST_CASE("future callbacks: one is moved in, called, and dies when it has run",
          "[api][future_callbacks]") {
  test::counted::reset();
  int alive_inside = 0;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  const int_future f = p.get_future();
  f.add_done_callback([c = test::counted(1), &alive_inside](const int_future&) {
    alive_inside = test::counted::alive;
  });
  CHECK(test::counted::copies == 0);
  p.set_value(1);
  l.run_forever();
  CHECK(alive_inside == 1);
  CHECK(test::counted::alive == 0);
}

TEST_CASE("future callbacks: those of a future that dies pending die with it",
          "[api][future_callbacks]") {
  test::counted::reset();
  sheaf::loop l(virtual_clock());
  {
    sheaf::promise<int> p(l);
    p.get_future().add_done_callback([c = test::counted(1)](const int_future&) {});
    CHECK(test::counted::alive == 1);
  }
  l.run_forever();
  CHECK(test::counted::alive == 0);
}

TEST_CASE("future callbacks: those queued when the loop closes are dropped uncalled",
          "[api][future_callbacks]") {
  test::counted::reset();
  event_log log;
  sheaf::loop l(virtual_clock());
  sheaf::promise<int> p(l);
  p.get_future().add_done_callback(
      [c = test::counted(1), &log](const int_future&) { log.push_back("called"); });
  p.set_value(1);
  l.close();
  CHECK(log.empty());
  CHECK(test::counted::alive == 0);
}
