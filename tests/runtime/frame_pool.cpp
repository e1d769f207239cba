#include <sheaf/runtime/frame_pool.hpp>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "support/catch.hpp"

using sheaf::runtime::frame_pool;

extern "C" __attribute__((weak)) void __asan_init();

namespace {

struct block {
  void* memory;
  std::size_t size;
};

bool aligned(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p) % alignof(std::max_align_t) == 0;
}

bool pool_is_off() {
  const char* const wish = std::getenv("SHEAF_POOL");
  return &__asan_init != nullptr || (wish && std::strcmp(wish, "off") == 0);
}

void fill(const block& b, unsigned char with) { std::memset(b.memory, with, b.size); }

bool holds(const block& b, unsigned char what) {
  const auto* p = static_cast<const unsigned char*>(b.memory);
  for (std::size_t i = 0; i < b.size; ++i) {
    if (p[i] != what) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("frame_pool: blocks of all sizes are aligned and do not overlap",
          "[runtime][frame_pool]") {
  std::vector<block> all;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t size = 1; size <= 1'200; ++size) {
      all.push_back({frame_pool::allocate(size), size});
      REQUIRE(aligned(all.back().memory));
      fill(all.back(), static_cast<unsigned char>(all.size() % 251));
    }
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    REQUIRE(holds(all[i], static_cast<unsigned char>((i + 1) % 251)));
  }
  for (const block& b : all) frame_pool::deallocate(b.memory, b.size);
}

TEST_CASE("frame_pool: the block freed last is given out next", "[runtime][frame_pool]") {
  if (pool_is_off()) SKIP("under AddressSanitizer every block comes from malloc");
  for (const std::size_t size : {1, 16, 17, 100, 1'023, 1'024}) {
    void* const a = frame_pool::allocate(size);
    void* const b = frame_pool::allocate(size);
    CHECK(a != b);
    frame_pool::deallocate(a, size);
    frame_pool::deallocate(b, size);
    CHECK(frame_pool::allocate(size) == b);
    CHECK(frame_pool::allocate(size) == a);
    frame_pool::deallocate(a, size);
    frame_pool::deallocate(b, size);
  }
}

TEST_CASE("frame_pool: sizes of one class share their blocks", "[runtime][frame_pool]") {
  if (pool_is_off()) SKIP("under AddressSanitizer every block comes from malloc");
  void* const p = frame_pool::allocate(33);
  frame_pool::deallocate(p, 33);
  void* const again = frame_pool::allocate(48);
  CHECK(again == p);
  void* const other = frame_pool::allocate(49);
  CHECK(other != p);
  frame_pool::deallocate(again, 48);
  frame_pool::deallocate(other, 49);
}

TEST_CASE("frame_pool: no bytes are a block too", "[runtime][frame_pool]") {
  void* const a = frame_pool::allocate_object(0);
  void* const b = frame_pool::allocate_object(0);
  CHECK(a != b);
  frame_pool::deallocate_object(a, 0);
  frame_pool::deallocate_object(b, 0);
  void* const c = frame_pool::allocate_object(0);
  CHECK((pool_is_off() || c == b));
  frame_pool::deallocate_object(c, 0);
}

TEST_CASE("frame_pool: a block may be freed on another thread", "[runtime][frame_pool]") {
  std::vector<block> all;
  for (std::size_t i = 0; i < 2'000; ++i) {
    all.push_back({frame_pool::allocate(1 + i % 1'100), 1 + i % 1'100});
  }
  std::thread([&all] {
    for (const block& b : all) {
      fill(b, 1);
      frame_pool::deallocate(b.memory, b.size);
    }
  }).join();
  const block mine{frame_pool::allocate(64), 64};
  fill(mine, 2);
  CHECK(holds(mine, 2));
  frame_pool::deallocate(mine.memory, mine.size);
}

TEST_CASE("frame_pool: the blocks of a thread that ended are used again",
          "[runtime][frame_pool]") {
  if (pool_is_off()) SKIP("under AddressSanitizer every block comes from malloc");
  // A size that no other test uses, so that this thread has none of it.
  constexpr std::size_t size = 777;
  std::set<void*> theirs;
  std::thread([&theirs] {
    std::vector<void*> held;
    for (int i = 0; i < 8; ++i) held.push_back(frame_pool::allocate(size));
    for (void* const p : held) frame_pool::deallocate(p, size);
    theirs.insert(held.begin(), held.end());
  }).join();
  std::vector<void*> found;
  std::thread([&found] {
    for (int i = 0; i < 8; ++i) found.push_back(frame_pool::allocate(size));
    for (void* const p : found) frame_pool::deallocate(p, size);
  }).join();
  std::size_t known = 0;
  for (void* const p : found) known += theirs.count(p);
  CHECK(known == theirs.size());
}

TEST_CASE("frame_pool: threads at work at once share nothing", "[runtime][frame_pool]") {
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&bad = wrong[t], t] {
      std::vector<block> held;
      const auto mark = static_cast<unsigned char>(t + 1);
      for (std::size_t i = 0; i < 5'000; ++i) {
        held.push_back({frame_pool::allocate(1 + i % 300), 1 + i % 300});
        fill(held.back(), mark);
        if (held.size() < 50) continue;
        for (const block& b : held) {
          bad += !holds(b, mark);
          frame_pool::deallocate(b.memory, b.size);
        }
        held.clear();
      }
      for (const block& b : held) frame_pool::deallocate(b.memory, b.size);
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(wrong == std::vector<int>(4));
}

TEST_CASE("frame_pool: `pooled` gives new and delete", "[runtime][frame_pool]") {
  struct thing : sheaf::runtime::pooled {
    char room[200];
  };
  auto* const a = new thing;
  CHECK(aligned(a));
  delete a;
  alignas(thing) unsigned char place[sizeof(thing)];
  auto* const b = ::new (static_cast<void*>(place)) thing;
  CHECK(static_cast<void*>(b) == place);
  b->~thing();
}

TEST_CASE("frame_pool: what another thread allocates all the time comes back to it",
          "[runtime][frame_pool]") {
  // 20 MB in all, of which a thousand blocks live at a time: a few chunks of 256 KB.
  constexpr std::size_t size = 200, together = 1'000, rounds = 100;
  if (const auto once = frame_pool::allocate(size); true) {
    frame_pool::deallocate(once, size);
    const auto again = frame_pool::allocate(size);
    frame_pool::deallocate(again, size);
    if (again != once || &__asan_init) SKIP("the pool is off here");
  }
  std::set<void*> blocks;
  std::vector<void*> passed(together);
  std::atomic<std::size_t> filled{0}, freed{0};
  std::thread other([&] {
    for (std::size_t r = 0; r < rounds; ++r) {
      while (freed < r) std::this_thread::yield();
      for (void*& p : passed) p = frame_pool::allocate(size);
      ++filled;
    }
  });
  for (std::size_t r = 0; r < rounds; ++r) {
    while (filled <= r) std::this_thread::yield();
    for (void* const p : passed) {
      blocks.insert(p);
      frame_pool::deallocate(p, size);
    }
    frame_pool::share();
    ++freed;
  }
  other.join();
  CHECK(blocks.size() < 10 * together);
}
