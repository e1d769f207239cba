#pragma once

#include "catch.hpp"
#include "report_log.hpp"

#include <sheaf/loop.hpp>
#include <sheaf/runtime/sigpipe_guard.hpp>

namespace test {

/// Runs `f`, a function that gives a coro<>, and checks that nothing was reported.
template <class F>
void quiet_run(F&& f) {
  const sheaf::runtime::sigpipe_guard quiet;  // as sheaf::run() has it
  report_log reports;
  sheaf::loop l;
  reports.listen(l);
  l.run_until_complete(f());
  CHECK(reports.messages().empty());
}

}  // namespace test
