#include <sheaf/runtime/trace.hpp>

#include <algorithm>
#include <array>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"

using namespace sheaf::runtime;

static_assert(sizeof(trace_record) == 32);
static_assert(std::is_trivially_copyable_v<trace_record>);
static_assert(noexcept(std::declval<trace_recorder&>().put({}, 0, 0, 0, 0, 0)));

namespace {

void put_marks(trace_recorder& recorder, std::uint64_t from, std::uint64_t to) {
  for (auto i = from; i < to; ++i) recorder.put(trace_kind::mark, i, 0, 0, 0, i);
}

}  // namespace

TEST_CASE("trace: records are kept in the order they were put", "[runtime][trace]") {
  trace_recorder recorder;
  CHECK(recorder.size() == 0);
  put_marks(recorder, 0, 200'000);  // several chunks
  REQUIRE(recorder.size() == 200'000);
  for (std::size_t i = 0; i < recorder.size(); ++i) REQUIRE(recorder[i].task == i);
  CHECK(recorder.dropped() == 0);
}

TEST_CASE("trace: past its limit a full recorder counts what it drops",
          "[runtime][trace]") {
  for (const std::size_t limit : {1, 10, 65'536, 65'537, 100'000}) {
    trace_recorder recorder(trace_limits::full(limit));
    put_marks(recorder, 0, limit + 7);
    CHECK(recorder.size() == limit);
    CHECK(recorder.dropped() == 7);
    CHECK(recorder[limit - 1].task == limit - 1);
  }
}

TEST_CASE("trace: a recorder that may keep nothing drops all", "[runtime][trace]") {
  trace_recorder recorder(trace_limits::full(0));
  put_marks(recorder, 0, 3);
  CHECK(recorder.size() == 0);
  CHECK(recorder.dropped() == 3);
}

TEST_CASE("trace: a flight recorder keeps the newest records", "[runtime][trace]") {
  trace_recorder recorder(trace_limits::flight(10 * sizeof(trace_record)));
  CHECK(recorder.is_flight());
  for (std::uint64_t put = 1; put <= 45; ++put) {
    put_marks(recorder, put - 1, put);
    const auto kept = std::min<std::uint64_t>(put, 10);
    REQUIRE(recorder.size() == kept);
    REQUIRE(recorder.dropped() == put - kept);
    for (std::size_t i = 0; i < kept; ++i) REQUIRE(recorder[i].task == put - kept + i);
  }
}

TEST_CASE("trace: a flight recorder of no bytes holds one record", "[runtime][trace]") {
  trace_recorder recorder(trace_limits::flight(0));
  put_marks(recorder, 0, 3);
  REQUIRE(recorder.size() == 1);
  CHECK(recorder[0].task == 2);
}

TEST_CASE("trace: clear forgets the records and keeps the names", "[runtime][trace]") {
  for (const auto limits : {trace_limits::full(), trace_limits::flight(320)}) {
    trace_recorder recorder(limits);
    const auto name = recorder.intern("fetch");
    put_marks(recorder, 0, 25);
    recorder.clear();
    CHECK(recorder.size() == 0);
    CHECK(recorder.dropped() == 0);
    CHECK(recorder.name(name) == "fetch");
    put_marks(recorder, 5, 6);
    REQUIRE(recorder.size() == 1);
    CHECK(recorder[0].task == 5);
  }
}

TEST_CASE("trace: equal names have one id, whatever their address", "[runtime][trace]") {
  trace_recorder recorder;
  const std::string one = "fetch", same = "fetch", other = "resolve";
  CHECK(recorder.intern(one) == recorder.intern(same));
  CHECK(recorder.intern(one) == recorder.intern_literal("fetch"));
  CHECK(recorder.intern(one) != recorder.intern(other));
  CHECK(recorder.name(recorder.intern(other)) == "resolve");
}

TEST_CASE("trace: a name of the past is not the name now at its address",
          "[runtime][trace]") {
  trace_recorder recorder;
  std::array<char, 4> text{'a', 'b', 'c', 'd'};
  const std::string_view view(text.data(), text.size());
  const auto before = recorder.intern(view);
  text[0] = 'x';
  const auto after = recorder.intern(view);
  CHECK(recorder.name(before) == "abcd");
  CHECK(recorder.name(after) == "xbcd");
}

TEST_CASE("trace: no name and no place are 0", "[runtime][trace]") {
  trace_recorder recorder;
  CHECK(recorder.intern("") == 0);
  CHECK(recorder.intern_literal(nullptr) == 0);
  CHECK(recorder.intern(trace_place()) == 0);
  CHECK(recorder.text("") == 0);
  CHECK(recorder.name(0).empty());
  CHECK(recorder.file_of(0).empty());
  CHECK(recorder.text_of(0).empty());
}

TEST_CASE("trace: names past the table's end are all the same one", "[runtime][trace]") {
  trace_recorder recorder;
  for (int i = 0; i < 10'000; ++i) recorder.intern("task-" + std::to_string(i));
  const auto late = recorder.intern("task-9999");
  CHECK(late == recorder.intern("another"));
  CHECK(recorder.name(late) == "…");
  CHECK(recorder.name(recorder.intern("task-17")) == "task-17");
}

TEST_CASE("trace: a place keeps its file and line", "[runtime][trace]") {
  trace_recorder recorder;
  const auto here = std::source_location::current();
  const auto place = recorder.intern(trace_place(here));
  CHECK(recorder.file_of(place) == here.file_name());
  CHECK(recorder.line_of(place) == here.line());
  const auto far = recorder.intern(trace_place("far.cpp", 5'000'000));
  CHECK(recorder.file_of(far) == "far.cpp");
  CHECK(recorder.line_of(far) == 0xfffff);
}

TEST_CASE("trace: texts are cut, and bounded in all", "[runtime][trace]") {
  trace_recorder recorder;
  CHECK(recorder.text_of(recorder.text(std::string(1000, 'x'))) == std::string(256, 'x'));
  CHECK(recorder.text("same") == recorder.text("same"));
  std::uint32_t last = 1;
  for (int i = 0; i < 100'000; ++i)
    last = recorder.text(std::to_string(i) + std::string(200, 'x'));
  CHECK(last == 0);
  CHECK(recorder.text_of(last).empty());
}

TEST_CASE("trace: an unknown id has no text", "[runtime][trace]") {
  trace_recorder recorder;
  CHECK(recorder.name(4000).empty());
  CHECK(recorder.text_of(4000).empty());
  CHECK(recorder.file_of(0xfff00001).empty());
}

TEST_CASE("trace: an iteration counts what ran in it", "[runtime][trace]") {
  trace_recorder recorder;
  recorder.step(10, 20, {1, 0}, 1);
  recorder.step(30, 40, {1, 0}, 2);
  recorder.callback(50, 60, "timer");
  recorder.iteration(5, 70);
  recorder.iteration(80, 90);
  CHECK(recorder[3].task == 2);
  CHECK(recorder[3].b == 1);
  CHECK(recorder[4].task == 0);
  CHECK(recorder[4].b == 0);
}

TEST_CASE("trace: a cancel keeps who, why and where", "[runtime][trace]") {
  trace_recorder recorder;
  recorder.cancel_requested(9, {3, 0}, 4, "sibling failed", {"a.cpp", 12});
  const auto& entry = recorder[0];
  CHECK(entry.kind == trace_kind::task_cancel);
  CHECK(entry.task == 3);
  CHECK(static_cast<std::uint32_t>(entry.a) == 4);
  CHECK(recorder.text_of(entry.b) == "sibling failed");
  const auto place = static_cast<std::uint32_t>(entry.a >> 32);
  CHECK(recorder.file_of(place) == "a.cpp");
  CHECK(recorder.line_of(place) == 12);
}
