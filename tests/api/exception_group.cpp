#include <sheaf/exception_group.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"

#include <stdexcept>
#include <system_error>
#include <thread>
#include <type_traits>

using namespace sheaf;
using test::failure;
using test::said;

static_assert(std::is_base_of_v<std::exception, exception_group>);
static_assert(std::is_nothrow_copy_constructible_v<exception_group>);
static_assert(std::is_nothrow_copy_assignable_v<exception_group>);

namespace {

using errors = std::vector<std::exception_ptr>;

template <class E>
std::exception_ptr make(E e) {
  return std::make_exception_ptr(std::move(e));
}

exception_group nested() {
  const exception_group inner("inner", errors{make(failure("b")), make(7)});
  return {"outer", errors{make(std::logic_error("a")), make(inner)}};
}

std::string shape(const exception_group& g) {
  std::string text = g.message() + "(";
  for (const auto& e : g.exceptions()) {
    try {
      std::rethrow_exception(e);
    } catch (const exception_group& inner) {
      text += shape(inner);
    } catch (const std::exception& x) {
      text += x.what();
    } catch (int i) {
      text += std::to_string(i);
    }
    text += ' ';
  }
  text.back() = ')';
  return text;
}

}  // namespace

TEST_CASE("exception_group: holds exceptions in their order, and copies share them",
          "[api][exception_group]") {
  const auto a = make(failure("a"));
  const auto b = make(failure("b"));
  const exception_group g("two", errors{a, b});
  const exception_group copy = g;
  CHECK(copy.exceptions() == errors{a, b});
  CHECK(&copy.exceptions() == &g.exceptions());
  CHECK(copy.message() == "two");
  CHECK(copy.contexts().size() == 2);
  CHECK(copy.contexts()[1].exception == b);
}

TEST_CASE("exception_group: is never empty and holds no null", "[api][exception_group]") {
  CHECK_THROWS_AS(exception_group("none", errors{}), std::invalid_argument);
  CHECK_THROWS_AS(exception_group("null", errors{nullptr}), std::invalid_argument);
}

TEST_CASE("exception_group: what() is one line, with the first of them",
          "[api][exception_group]") {
  const exception_group one("went wrong", errors{make(failure("a"))});
  CHECK(std::string(one.what()) == "went wrong (1 exception): test::failure: a");
  errors many;
  for (const char* const text : {"a", "b", "c", "d", "e"}) {
    many.push_back(make(std::runtime_error(text)));
  }
  const exception_group five("went wrong", many);
  CHECK(std::string(five.what()) ==
        "went wrong (5 exceptions): std::runtime_error: a; std::runtime_error: b; "
        "std::runtime_error: c; and 2 more");
  CHECK(five.what() == exception_group(five).what());  // made once, for all copies
}

TEST_CASE("exception_group: what() names the tasks", "[api][exception_group]") {
  const exception_group g("went wrong",
                          std::vector<exception_context>{{.message = "it failed",
                                                          .exception = make(failure("a")),
                                                          .task_id = 3,
                                                          .task_name = "fetch"}});
  CHECK(std::string(g.what()) ==
        "went wrong (1 exception): test::failure: a [task 3 fetch]");
}

TEST_CASE("exception_group: what() may be asked for on many threads at once",
          "[api][exception_group]") {
  const exception_group g = nested();
  std::vector<std::thread> threads;
  std::vector<const char*> texts(4);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    threads.emplace_back([&texts, i, g] { texts[i] = g.what(); });
  }
  for (auto& t : threads) t.join();
  for (const char* const text : texts) CHECK(text == g.what());
}

TEST_CASE("exception_group: first_of finds by type, derived ones too, and looks inside",
          "[api][exception_group]") {
  const exception_group g = nested();
  CHECK(said(g.first_of<failure>()) == "b");
  CHECK(said(g.first_of<std::logic_error>()) == "a");
  CHECK(said(g.first_of<std::exception>()) == "a");
  CHECK(g.first_of<int>() != nullptr);
  CHECK(g.first_of<std::system_error>() == nullptr);
}

TEST_CASE("exception_group: split parts it by type and keeps the nesting",
          "[api][exception_group]") {
  const auto by_runtime_error = nested().split<std::runtime_error>();
  CHECK(shape(by_runtime_error.matching.value()) == "outer(inner(b))");
  CHECK(shape(by_runtime_error.others.value()) == "outer(a inner(7))");
  const auto by_none = nested().split<std::system_error>();
  CHECK_FALSE(by_none.matching.has_value());
  CHECK(shape(by_none.others.value()) == "outer(a inner(b 7))");
}

TEST_CASE("exception_group: unwrapped gives the only one, through all levels",
          "[api][exception_group]") {
  const auto e = make(failure("only"));
  const exception_group inner("inner", errors{e});
  const exception_group outer("outer", errors{make(inner)});
  CHECK(inner.unwrapped() == e);
  CHECK(outer.unwrapped() == e);
  CHECK(said(nested().unwrapped()) == nested().what());
}
