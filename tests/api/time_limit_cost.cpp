#include "support/catch.hpp"
#include "support/children.hpp"

#include <sheaf/loop.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/task.hpp>
#include <sheaf/timeout.hpp>
#include <sheaf/wait_for.hpp>

#include <cstddef>
#include <cstdlib>
#include <new>

// What a time limit allocates: every block comes from operator new here, and is counted.

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED  // which has an operator new of its own
#endif
#endif

namespace {

long blocks_made = 0;

// Read at a thread's first frame.
const int pool_off = setenv("SHEAF_POOL", "off", 1);

}  // namespace

#ifndef SANITIZED
void* operator new(std::size_t size) {
  ++blocks_made;
  if (void* const p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

using namespace sheaf;
using namespace std::chrono_literals;
using test::virtual_loop;

namespace {

/// The blocks that `work()`, a coro<>, makes beside its own frame.
template <class Work>
coro<long> blocks_of(Work& work) {
  co_await work();  // whatever is made once
  const long before = blocks_made;
  co_await work();
  co_return blocks_made - before - 1;
}

coro<int> ready() { co_return 1; }

}  // namespace

TEST_CASE("time limit cost: around a ready child, one block beside the child's frame",
          "[api][time_limit_cost]") {
#ifdef SANITIZED
  SKIP("the sanitizer has an operator new of its own");
#endif
  REQUIRE(pool_off == 0);
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    auto plain = []() -> coro<> { co_await ready(); };
    auto of_coro = []() -> coro<> { co_await wait_for(ready(), 1s); };
    auto unlimited = []() -> coro<> { co_await wait_for(ready(), std::nullopt); };
    auto of_run = []() -> coro<> { co_await timeout::run(1s, ready); };
    promise<int> p;
    p.set_value(1);
    const auto done = p.get_future();
    auto of_future = [&]() -> coro<> { co_await wait_for(done, 1s); };

    const long child = co_await blocks_of(plain);
    CHECK(child == 1);
    const long limited = co_await blocks_of(of_coro);
    CHECK(limited == child + 1);
    const long scoped = co_await blocks_of(of_run);
    CHECK(scoped == child + 1);
    const long free_of_limit = co_await blocks_of(unlimited);
    CHECK(free_of_limit == child);
    const long of_done = co_await blocks_of(of_future);
    CHECK(of_done == 0);
  }());
}
