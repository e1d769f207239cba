#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/exception_context.hpp>

#include <uv.h>

#include <exception>
#include <string>
#include <system_error>
#include <type_traits>

#include "support/catch.hpp"

using namespace sheaf;

static_assert(std::is_base_of_v<std::system_error, uv_error>);
static_assert(std::is_base_of_v<std::logic_error, invalid_state>);
// catch (const std::exception&) must let it by.
static_assert(!std::is_base_of_v<std::exception, system_exit>);

TEST_CASE("error: a uv_error tells operation, name and text", "[runtime][error]") {
  const uv_error e(UV_EADDRINUSE, "listen");
  CHECK(std::string(e.what()) == "listen: EADDRINUSE: address already in use");
  CHECK(e.code().value() == UV_EADDRINUSE);
  CHECK(e.code().category() == uv_category());
  CHECK(std::string(uv_category().name()) == "uv");
}

static_assert(std::is_nothrow_copy_constructible_v<uv_error>);

TEST_CASE("error: a uv_error tells the path, where there is one", "[runtime][error]") {
  const uv_error with(UV_ENOENT, "fs::open", "a.txt");
  CHECK(std::string(with.what()) ==
        "fs::open 'a.txt': ENOENT: no such file or directory");
  const uv_error copy = with;
  CHECK(copy.operation() == "fs::open");
  CHECK(copy.path() == "a.txt");
  CHECK(copy.name() == "ENOENT");
  const uv_error without(UV_EBADF, "fs::fsync");
  CHECK(without.operation() == "fs::fsync");
  CHECK(without.path().empty());
  const uv_error cut(UV_EINVAL, "fs::open", std::string_view("a\0b", 3));
  CHECK(std::string(cut.what()) == "fs::open 'a': EINVAL: invalid argument");
  CHECK(cut.path() == std::string_view("a\0b", 3));
}

TEST_CASE("error: libuv's codes equal the system's", "[runtime][error]") {
  const auto code = [](int uv) { return std::error_code(uv, uv_category()); };
  CHECK(code(UV_ECONNREFUSED) == std::errc::connection_refused);
  CHECK(code(UV_ENOENT) == std::errc::no_such_file_or_directory);
  CHECK(code(UV_ECANCELED) == std::errc::operation_canceled);
  CHECK(code(UV_ENOENT) != std::errc::connection_refused);
  // These are libuv's alone.
  CHECK(code(UV_EOF).default_error_condition().category() == uv_category());
  CHECK(code(UV_EAI_NONAME).default_error_condition().category() == uv_category());
  CHECK_FALSE(code(0));
  CHECK(code(UV_EOF).message() == "end of file");
}

TEST_CASE("error: check() throws what is negative and passes the rest",
          "[runtime][error]") {
  CHECK(runtime::checked(0, "x") == 0);
  CHECK(runtime::checked(42, "x") == 42);
  try {
    runtime::checked(UV_EBADF, "uv_poll_init");
    FAIL("an error must throw");
  } catch (const uv_error& e) {
    CHECK(e.code() == std::errc::bad_file_descriptor);
    CHECK(std::string(e.what()).find("uv_poll_init: EBADF") == 0);
  }
}

TEST_CASE("error: an exception is described by type and text", "[runtime][error]") {
  CHECK(describe(std::make_exception_ptr(std::runtime_error("boom"))) ==
        "std::runtime_error: boom");
  CHECK(describe(std::make_exception_ptr(7)) == "int");
  CHECK(describe(std::make_exception_ptr(system_exit(3))) == "sheaf::system_exit");
  CHECK(describe(std::exception_ptr()) == "no exception");
}

TEST_CASE("error: a report is one line of what is known", "[runtime][error]") {
  exception_context c;
  c.message = "it broke";
  CHECK(describe(c) == "it broke");
  c.exception = std::make_exception_ptr(std::logic_error("why"));
  c.task_id = 5;
  c.task_name = "fetch";
  CHECK(describe(c) == "it broke: std::logic_error: why [task 5 fetch]");
  c.created_at = std::source_location::current();
  const std::string line = std::to_string(c.created_at.line());
  CHECK(describe(c).find(", created at ") != std::string::npos);
  CHECK(describe(c).find("error.cpp:" + line) != std::string::npos);
}
