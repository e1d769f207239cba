#include <sheaf/runtime/ready_queue.hpp>

#include <deque>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"

using namespace sheaf::runtime;

static_assert(!std::is_copy_constructible_v<ready_queue>);
static_assert(!std::is_move_constructible_v<ready_node>);
static_assert(noexcept(std::declval<ready_queue&>().push(std::declval<ready_node&>())));

namespace {

using numbers = std::vector<int>;

/// Notes its number, and queues what follows it.
struct node final : ready_node {
  node(int n, numbers& out) : number(n), log(out) {}
  void run() noexcept override {
    log.push_back(number);
    if (queue && next) queue->push(*next);
    if (leave) *leave = true;
  }
  const int number;
  numbers& log;
  ready_queue* queue = nullptr;
  node* next = nullptr;
  bool* leave = nullptr;
};

struct fixture {
  numbers log;
  std::deque<node> nodes;
  ready_queue q;
  bool leave = false;

  node& operator[](int i) {
    while (static_cast<int>(nodes.size()) <= i) {
      nodes.emplace_back(static_cast<int>(nodes.size()), log);
    }
    return nodes[static_cast<std::size_t>(i)];
  }
  std::size_t batch() { return q.run_batch(leave); }
};

numbers range(int from, int to) {
  numbers r;
  for (int i = from; i < to; ++i) r.push_back(i);
  return r;
}

}  // namespace

TEST_CASE("ready_queue: first in, first out [LOOP-1]", "[runtime][ready_queue][LOOP-1]") {
  fixture f;
  CHECK(f.q.empty());
  CHECK(f.q.pop() == nullptr);
  for (const int i : {3, 1, 4, 0, 2}) f.q.push(f[i]);
  CHECK(f.q.pop() == &f[3]);
  CHECK(f.batch() == 4);
  CHECK(f.log == numbers{1, 4, 0, 2});
  CHECK(f.q.empty());
  CHECK(f.q.pop() == nullptr);
}

TEST_CASE("ready_queue: what a batch queues is the next one [LOOP-4]",
          "[runtime][ready_queue][LOOP-4]") {
  fixture f;
  f[0].queue = &f.q;
  f[0].next = &f[2];
  f[2].queue = &f.q;
  f[2].next = &f[0];  // queued again, while it is not in the queue
  f.q.push(f[0]);
  f.q.push(f[1]);
  CHECK(f.batch() == 2);
  CHECK(f.log == numbers{0, 1});
  CHECK(f.batch() == 1);
  CHECK(f.batch() == 1);
  CHECK(f.log == numbers{0, 1, 2, 0});
}

TEST_CASE("ready_queue: an empty one runs nothing", "[runtime][ready_queue]") {
  fixture f;
  CHECK(f.batch() == 0);
  CHECK(f.log.empty());
}

TEST_CASE("ready_queue: left early, the rest stays before all that came since [LOOP-20]",
          "[runtime][ready_queue][LOOP-20]") {
  fixture f;
  f[1].leave = &f.leave;
  f[0].queue = &f.q;
  f[0].next = &f[4];
  for (int i = 0; i < 4; ++i) f.q.push(f[i]);
  CHECK(f.batch() == 2);
  CHECK(f.log == numbers{0, 1});
  f.leave = false;
  f.batch();
  CHECK(f.log == numbers{0, 1, 2, 3, 4});
}

TEST_CASE("ready_queue: grows in the middle of its ring and keeps the order",
          "[runtime][ready_queue]") {
  for (const int before : {0, 1, 255, 256, 300}) {
    fixture f;
    for (int i = 0; i < before; ++i) {  // moves the beginning along the ring
      f.q.push(f[i]);
      REQUIRE(f.q.pop() == &f[i]);
    }
    for (int i = 0; i < 5'000; ++i) f.q.push(f[i]);
    CHECK(f.batch() == 5'000);
    CHECK(f.log == range(0, 5'000));
  }
}

TEST_CASE("ready_queue: may grow while a batch runs", "[runtime][ready_queue]") {
  fixture f;
  constexpr int n = 256;  // as many as the first ring holds
  for (int i = 0; i < n; ++i) {
    f[i].queue = &f.q;
    f[i].next = &f[n + i];
  }
  struct two final : ready_node {
    explicit two(fixture& of) : f(of) {}
    void run() noexcept override {
      for (int i = 0; i < 3 * n; ++i) f.q.push(f[2 * n + i]);
    }
    fixture& f;
  } grows(f);
  f.q.push(grows);
  for (int i = 0; i < n; ++i) f.q.push(f[i]);
  CHECK(f.batch() == n + 1);
  CHECK(f.log == range(0, n));
  f.log.clear();
  CHECK(f.batch() == 4 * n);
  numbers expected = range(2 * n, 5 * n);
  const numbers followed = range(n, 2 * n);
  expected.insert(expected.end(), followed.begin(), followed.end());
  CHECK(f.log == expected);
}

TEST_CASE("ready_queue: popped from and pushed to at any place of its blocks",
          "[runtime][ready_queue]") {
  fixture f;
  int in = 0, out = 0;
  for (const int pushes : {1, 126, 127, 128, 1, 254, 2, 1'000, 3, 20'000}) {
    for (int i = 0; i < pushes; ++i) f.q.push(f[in++]);
    while (in - out > pushes / 2) REQUIRE(f.q.pop() == &f[out++]);
  }
  while (out < in) REQUIRE(f.q.pop() == &f[out++]);
  CHECK(f.q.empty());
  CHECK(f.q.pop() == nullptr);
}

TEST_CASE("ready_queue: what is left in one that dies is left alone",
          "[runtime][ready_queue]") {
  numbers log;
  node a(1, log);
  {
    ready_queue q;
    for (int i = 0; i < 1'000; ++i) q.push(a);
  }
  CHECK(log.empty());
}

TEST_CASE("ready_queue: a long batch left early keeps its rest",
          "[runtime][ready_queue]") {
  for (const int at : {0, 126, 127, 1'500, 4'999}) {
    fixture f;
    for (int i = 0; i < 5'000; ++i) f.q.push(f[i]);
    f[at].leave = &f.leave;
    CHECK(f.batch() == static_cast<std::size_t>(at) + 1);
    f.leave = false;
    f.q.push(f[5'000]);
    CHECK(f.batch() == static_cast<std::size_t>(5'000 - at));
    CHECK(f.log == range(0, 5'001));
  }
}

TEST_CASE("ready_queue: size() counts over blocks", "[runtime][ready_queue]") {
  fixture f;
  std::size_t queued = 0;
  int next = 0;
  for (const int n : {0, 1, 126, 127, 128, 1000}) {
    for (int i = 0; i < n; ++i, ++queued) f.q.push(f[next++]);
    REQUIRE(f.q.size() == queued);
    for (int i = 0; i < n / 2; ++i, --queued) f.q.pop();
    REQUIRE(f.q.size() == queued);
  }
  while (f.q.pop()) REQUIRE(f.q.size() == --queued);
  CHECK(f.q.size() == 0);
}
