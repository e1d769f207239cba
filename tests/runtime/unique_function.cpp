#include <sheaf/runtime/unique_function.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"
#include "support/counted.hpp"

using sheaf::runtime::unique_function;
using test::counted;

using void_function = unique_function<void()>;

static_assert(std::is_nothrow_move_constructible_v<void_function>);
static_assert(std::is_nothrow_move_assignable_v<void_function>);
static_assert(!std::is_copy_constructible_v<void_function>);
// What is not callable is no callback: LOOP-18, LOOP-34 for the callbacks of a loop.
static_assert(!std::is_constructible_v<void_function, int>);
static_assert(!std::is_constructible_v<void_function, std::string>);
static_assert(!std::is_constructible_v<void_function, void (*)(int)>);
static_assert(!std::is_constructible_v<unique_function<int()>, void (*)()>);
static_assert(std::is_constructible_v<void_function, int (*)()>);

namespace {

template <std::size_t Bytes>
struct sized {
  counted one{7};
  std::array<char, Bytes> rest{};
  int operator()() { return one.value; }
};

struct throws_when_moved {
  counted one{8};
  throws_when_moved() = default;
  throws_when_moved(throws_when_moved&& o) noexcept(false) : one(std::move(o.one)) {}
  int operator()() { return one.value; }
};

template <class F>
void survives_moves_and_dies_once() {
  counted::reset();
  {
    unique_function<int()> a = F();
    CHECK(counted::alive == 1);
    unique_function<int()> b = std::move(a);
    CHECK_FALSE(a);  // NOLINT: that is the question
    CHECK(counted::alive == 1);
    unique_function<int()> c;
    c = std::move(b);
    CHECK(c() == F().one.value);
    c = std::move(*&c);
    CHECK(c() == F().one.value);
    c.reset();
    CHECK_FALSE(c);
    CHECK(counted::alive == 0);
    c.reset();
    c = F();
    CHECK(counted::alive == 1);
    c = F();
    CHECK(counted::alive == 1);
  }
  CHECK(counted::alive == 0);
  CHECK(counted::copies == 0);
}

}  // namespace

TEST_CASE("unique_function: owns its callable wherever that is stored",
          "[runtime][unique_function]") {
  survives_moves_and_dies_once<sized<1>>();
  survives_moves_and_dies_once<sized<44>>();  // the last that fits
  survives_moves_and_dies_once<sized<45>>();  // the first that does not
  survives_moves_and_dies_once<sized<1'000>>();
  survives_moves_and_dies_once<throws_when_moved>();
}

TEST_CASE("unique_function: an empty one is false", "[runtime][unique_function]") {
  CHECK_FALSE(void_function());
  CHECK_FALSE(void_function(nullptr));
  CHECK(void_function([] {}));
}

TEST_CASE("unique_function: takes what only moves, and passes references through",
          "[runtime][unique_function]") {
  unique_function<int(std::unique_ptr<int>, int&)> f =
      [held = std::make_unique<int>(1)](std::unique_ptr<int> p, int& out) {
        out = *held + *p;
        return ++*held;
      };
  int out = 0;
  CHECK(f(std::make_unique<int>(10), out) == 2);
  CHECK(f(std::make_unique<int>(10), out) == 3);
  CHECK(out == 12);
}

TEST_CASE("unique_function: what the callable throws comes out",
          "[runtime][unique_function]") {
  void_function f = [] { throw std::runtime_error("out"); };
  CHECK_THROWS_AS(f(), std::runtime_error);
  CHECK(f);
}

TEST_CASE("unique_function: may be reset by what its callable owns",
          "[runtime][unique_function]") {
  void_function f;
  int deaths = 0;
  struct resets {
    void_function* which;
    int* deaths;
    resets(void_function& f, int& d) : which(&f), deaths(&d) {}
    resets(resets&& o) noexcept
        : which(std::exchange(o.which, nullptr)), deaths(o.deaths) {}
    ~resets() {
      if (!which) return;
      ++*deaths;
      which->reset();
    }
    void operator()() {}
  };
  f = resets(f, deaths);
  f.reset();
  CHECK(deaths == 1);
  CHECK_FALSE(f);
}
