#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/children.hpp"

#include <sheaf/run.hpp>
#include <sheaf/sleep.hpp>

#include <unistd.h>

#include <exception>

using namespace sheaf;

namespace {

constexpr int terminated = 42;

/// Whether std::terminate ended a child process that runs `f`.
template <class F>
bool terminates(F f) {
  const auto end = test::end_of_child([&] {
    std::set_terminate([] { ::_exit(terminated); });
    f();
  });
  REQUIRE(end.signal == 0);
  return end.code == terminated;
}

void lose_an_error(loop_options options) {
  loop l(options);
  l.set_exception_handler([](const exception_context&) {});
  static_cast<void>(l.create_task(test::fail("lost")));
  l.run_forever();
}

}  // namespace

TEST_CASE(
    "debug: an unretrieved exception ends the program if that was asked for "
    "[DEBUG-6]",
    "[api][debug][DEBUG-6]") {
  const auto with = [](bool on) {
    return terminates(
        [on] { lose_an_error(loop_options().terminate_on_unretrieved(on)); });
  };
  CHECK(with(true));
  CHECK_FALSE(with(false));
}

TEST_CASE("debug: run asks for it of its loop, and of a factory's [DEBUG-6]",
          "[api][debug][DEBUG-6]") {
  const auto main = []() -> coro<> {
    loop::current().set_exception_handler([](const exception_context&) {});
    static_cast<void>(create_task(test::fail("lost")));
    co_await sleep(sheaf::loop::duration(0));
    co_await sleep(sheaf::loop::duration(0));
  };
  const auto ask = run_options().terminate_on_unretrieved();
  CHECK(terminates([&] { run(main(), ask); }));
  const auto factory =
      run_options(ask).loop_factory([] { return std::make_unique<loop>(); });
  CHECK(terminates([&] { run(main(), factory); }));
  CHECK_FALSE(terminates([&] { run(main()); }));
}

TEST_CASE("debug: an exception that was retrieved ends nothing [DEBUG-6]",
          "[api][debug][DEBUG-6]") {
  CHECK_FALSE(terminates([] {
    loop l(loop_options().terminate_on_unretrieved());
    const auto t = l.create_task(test::fail("seen"));
    l.run_forever();
    static_cast<void>(t.exception());
  }));
}
