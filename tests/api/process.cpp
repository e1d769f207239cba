#include "support/catch.hpp"

#include <sheaf/process.hpp>
#include <sheaf/run.hpp>

using namespace sheaf;

TEST_CASE("process: x", "[api]") {
  run([]() -> coro<> {
    process p = co_await create_subprocess_exec(
        process_options("sort").stdin_(stdio::pipe).stdout_(stdio::pipe));
    const process_output out = co_await p.communicate("b\na\n");
    CHECK(*out.stdout_ == "a\nb\n");
    CHECK_FALSE(out.stderr_);
    CHECK(p.returncode() == 0);
  }());
}
