#include "support/catch.hpp"
#include "support/children.hpp"

#include <sheaf/loop.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task_group.hpp>

#include <atomic>
#include <cstdlib>
#include <new>

// Blocks of this program that live, whoever asked for them.
namespace {
std::atomic<long> blocks{0};
}

void* operator new(std::size_t size) {
  void* const p = std::malloc(size);
  if (!p) throw std::bad_alloc();
  ++blocks;
  return p;
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  void* const p = std::malloc(size);
  if (p) ++blocks;
  return p;
}
void operator delete(void* p) noexcept {
  if (p) --blocks;
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }

using namespace sheaf;
using namespace std::chrono_literals;
using test::virtual_loop;

namespace {

coro<> nothing() { co_return; }
coro<> one_batch() { co_await sleep(0ms); }

}  // namespace

TEST_CASE(
    "task_group: after a million children it holds as many blocks as after a "
    "few thousand (TG-16)",
    "[api][task_group][TG-16]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    long early = 0;
    long late = 0;
    const auto body = [&](task_group& g) -> coro<> {
      for (int i = 1; i <= 1'000'000; ++i) {
        g.create_task(i % 2 == 0 ? nothing() : one_batch());
        if (i % 4 == 0) co_await sleep(0ms);
        if (g.size() > 16) throw test::failure("children that ended are kept");
        if (i == 2'000) early = blocks;
      }
      late = blocks;
    };
    co_await task_group::run(body);
    CHECK(late <= early);
  }());
}

TEST_CASE("task_group: a million children live at a time, and none is left (TG-16)",
          "[api][task_group][TG-16]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::size_t most = 0;
    const auto body = [&](task_group& g) -> coro<> {
      for (int i = 0; i < 1'000'000; ++i) g.create_task(one_batch());
      most = g.size();
      co_return;
    };
    co_await task_group::run(body);
    CHECK(most == 1'000'000);
    CHECK(all_tasks().size() == 1);
  }());
}

TEST_CASE("task_group: many handles of ended children hold no frames (TG-16)",
          "[api][task_group][TG-16]") {
  virtual_loop l;
  l.run_until_complete([]() -> coro<> {
    std::vector<task<>> kept;
    const auto body = [&](task_group& g) -> coro<> {
      for (int i = 0; i < 1000; ++i) kept.push_back(g.create_task(nothing()));
      co_await sleep(0ms);
      co_await sleep(0ms);
      CHECK(g.size() == 0);
    };
    co_await task_group::run(body);
    for (const auto& t : kept) CHECK(t.done());
  }());
}
