#include "trace_rules.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "support/catch.hpp"

using sheaf::tools::for_each_event;
using sheaf::tools::trace_rules;

namespace {

const std::string thread_events = R"(
{"ph":"M","cat":"__metadata","name":"process_name","ts":0.000,"pid":7,"tid":7,"args":{"name":"p"}},
{"ph":"M","cat":"__metadata","name":"thread_name","ts":0.000,"pid":7,"tid":7,"args":{"name":"l"}},
{"ph":"M","cat":"__metadata","name":"thread_sort_index","ts":0.000,"pid":7,"tid":7,"args":{"sort_index":0}})";

// One event on thread 7 at `ts`; `more` holds its other fields.
std::string event(const std::string& phase, const std::string& name,
                  const std::string& ts, const std::string& more = "") {
  return R"({"ph":")" + phase + R"(","cat":"c","name":")" + name + R"(","ts":)" + ts +
         R"(,"pid":7,"tid":7)" + (more.empty() ? "" : "," + more) + "}";
}

std::string slice(const std::string& ts, const std::string& dur) {
  return event("X", "s", ts, "\"dur\":" + dur);
}

std::string file(const std::vector<std::string>& events) {
  std::string text = "{\"traceEvents\":[" + thread_events;
  for (const auto& one : events) text += ",\n" + one;
  return text +
         "],\"displayTimeUnit\":\"ms\",\"metadata\":{\"schema\":\"sheaf-trace/1\"}}";
}

std::vector<std::string> judge(const std::string& text) {
  trace_rules rules;
  rules.text(text);
  const auto rest = for_each_event(
      "t.json", text, [&rules](const sheaf::tools::json& one) { rules.event(one); });
  rules.finish(rest);
  return rules.problems();
}

// The file breaks one rule, once, and the line about it holds `words`.
void refuses(const std::vector<std::string>& events, const std::string& words) {
  const auto problems = judge(file(events));
  CAPTURE(words, problems);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].find(words) != std::string::npos);
}

void accepts(const std::vector<std::string>& events) {
  CHECK(judge(file(events)) == std::vector<std::string>{});
}

const std::string id = R"("id":"0x1")";

}  // namespace

TEST_CASE("trace check: slices that nest by 1 ns are fine", "[tools][trace]") {
  accepts({slice("1.000", "1.000"), slice("1.001", "0.998"), slice("2.001", "1.000")});
}

TEST_CASE("trace check: slices that overlap are found", "[tools][trace]") {
  refuses({slice("1.000", "1.000"), slice("1.500", "1.000")}, "overlaps");
}

TEST_CASE("trace check: slices that share an edge are found", "[tools][trace]") {
  refuses({slice("1.000", "1.000"), slice("2.000", "1.000")}, "touches");
  refuses({slice("1.000", "1.000"), slice("1.000", "0.500")}, "touches");
  refuses({slice("1.000", "1.000"), slice("1.500", "0.500")}, "touches");
}

TEST_CASE("trace check: slices out of order in the file are sorted first",
          "[tools][trace]") {
  accepts({slice("1.001", "0.998"), slice("1.000", "1.000")});
}

TEST_CASE("trace check: a slice needs a dur, above 0", "[tools][trace]") {
  refuses({event("X", "s", "1.000")}, "no dur");
  refuses({slice("1.000", "\"5\"")}, "dur is no number");
  refuses({slice("1.000", "0.000")}, "dur is 0");
}

TEST_CASE("trace check: ts 0 is found", "[tools][trace]") {
  refuses({slice("0.000", "1.000")}, "ts is 0");
}

TEST_CASE("trace check: times are in us with three decimals", "[tools][trace]") {
  refuses({slice("1.5", "1.000")}, "exactly 3 decimals: \"ts\":1.5 at byte");
  refuses({slice("1.000", "1.0001")}, "exactly 3 decimals");
  refuses({slice("1e3", "1.000")}, "exactly 3 decimals");
  refuses({slice("\"1.000\"", "1.000")}, "ts is no number");
}

TEST_CASE("trace check: a name and a category are required", "[tools][trace]") {
  refuses({R"({"ph":"X","cat":"c","ts":1.000,"dur":1.000,"pid":7,"tid":7})"}, "no name");
  refuses({R"({"ph":"X","name":"c","ts":1.000,"dur":1.000,"pid":7,"tid":7})"}, "no cat");
}

TEST_CASE("trace check: only the phases that all readers know", "[tools][trace]") {
  refuses({event("B", "s", "1.000")}, "ph is none of");
  refuses({event("", "s", "1.000")}, "ph is none of");
  refuses({"7"}, "not an object");
}

TEST_CASE("trace check: fields that readers differ on are found", "[tools][trace]") {
  refuses({event("X", "s", "1.000", R"("dur":1.000,"bind_id":"0x1")")}, "has bind_id");
  refuses({event("b", "t", "1.000", id + R"(,"id2":{"local":"0x1"})"),
           event("e", "t", "2.000", id)},
          "has id2");
}

TEST_CASE("trace check: pid and tid are real", "[tools][trace]") {
  refuses({R"({"ph":"i","cat":"c","name":"n","ts":1.000,"s":"t","pid":7,"tid":0})"},
          "tid");
  refuses({R"({"ph":"i","cat":"c","name":"n","ts":1.000,"s":"t","pid":"7","tid":7})"},
          "pid");
}

TEST_CASE("trace check: every thread is named", "[tools][trace]") {
  refuses({R"({"ph":"i","cat":"c","name":"n","ts":1.000,"s":"t","pid":7,"tid":8})"},
          "thread 8 has no thread_name");
}

TEST_CASE("trace check: an instant has a scope", "[tools][trace]") {
  accepts({event("i", "n", "1.000", R"("s":"t")")});
  refuses({event("i", "n", "1.000")}, "s is none of");
}

TEST_CASE("trace check: counters are numbers", "[tools][trace]") {
  accepts({event("C", "n", "1.000", R"("args":{"depth":3})")});
  refuses({event("C", "n", "1.000", R"("args":{"depth":"3"})")},
          "counter depth is no number");
  refuses({event("C", "n", "1.000")}, "without args");
}

TEST_CASE("trace check: async slices of one id are a stack", "[tools][trace]") {
  accepts({event("b", "t", "1.000", id), event("b", "w", "2.000", id),
           event("e", "w", "3.000", id), event("b", "v", "3.000", id),
           event("e", "v", "4.000", id), event("e", "t", "4.000", id)});
  refuses({event("b", "t", "1.000", id), event("e", "t", "2.000", id),
           event("e", "t", "3.000", id)},
          "without a begin");
  refuses({event("b", "t", "1.000", id)}, "never ends");
  refuses({event("b", "t", "2.000", id), event("e", "t", "1.000", id)}, "back in time");
}

TEST_CASE("trace check: async slices that cross are found", "[tools][trace]") {
  const auto problems =
      judge(file({event("b", "t", "1.000", id), event("b", "w", "2.000", id),
                  event("e", "t", "3.000", id), event("e", "w", "4.000", id)}));
  CHECK(problems.size() == 2);
}

TEST_CASE("trace check: ids are strings of hex digits", "[tools][trace]") {
  const auto both = [](const std::string& bad) {
    return judge(file({event("b", "t", "1.000", bad), event("e", "t", "2.000", bad)}))
        .size();
  };
  CHECK(both(R"("id":"0x1f")") == 0);
  CHECK(both(R"("id":1)") == 2);
  CHECK(both(R"("id":"task-1")") == 2);
  CHECK(both(R"("id":"0x1F")") == 2);
  CHECK(both(R"("id":"0x")") == 2);
  CHECK(both(R"("x":1)") == 2);
}

TEST_CASE("trace check: an arrow goes from slice to slice", "[tools][trace]") {
  const auto first = slice("1.000", "1.000"), second = slice("3.000", "1.000");
  const auto head = event("f", "wake", "3.000", id + R"(,"bp":"e")");
  accepts({first, event("s", "wake", "1.500", id), second, head});
  refuses({first, event("s", "wake", "2.500", id), second, head},
          "outside of all slices");
  refuses({first, event("s", "wake", "2.000", id), second, head},
          "outside of all slices");
  refuses({first, event("s", "wake", "1.500", id)}, "has no f");
  refuses({second, head}, "has no s");
  refuses({first, event("s", "spawn", "1.500", id), second, head}, "at its other end");
  refuses(
      {first, event("s", "wake", "1.500", id), second, event("f", "wake", "3.000", id)},
      "without bp");
  refuses({first, event("s", "wake", "3.500", id), second, head},
          "ends before it begins");
}

TEST_CASE("trace check: an arrow in the gap between inner slices is in the outer one",
          "[tools][trace]") {
  accepts({slice("1.000", "9.000"), slice("2.000", "1.000"), slice("4.000", "1.000"),
           event("s", "wake", "3.500", id),
           event("f", "wake", "4.500", id + R"(,"bp":"e")")});
}

TEST_CASE("trace check: a flow id is used once", "[tools][trace]") {
  const auto around = slice("1.000", "9.000");
  const auto tail = event("s", "wake", "2.000", id);
  const auto head = event("f", "wake", "3.000", id + R"(,"bp":"e")");
  refuses({around, tail, head, event("s", "wake", "4.000", id)}, "is used again");
  refuses({around, tail, head, event("f", "wake", "4.000", id + R"(,"bp":"e")")},
          "is used again");
}

TEST_CASE("trace check: the frame of the file is looked at", "[tools][trace]") {
  CHECK(judge(R"({"traceEvents":[],"metadata":{"schema":"sheaf-trace/1"}})").empty());
  CHECK(
      judge(
          R"({"traceEvents":[],"displayTimeUnit":"us","metadata":{"schema":"sheaf-trace/1"}})")
          .size() == 1);
  CHECK(judge(R"({"traceEvents":[]})").size() == 1);
  CHECK(judge("[]").size() == 2);
  CHECK(judge("7").size() == 2);
}

TEST_CASE("trace check: a file that is cut off is no JSON", "[tools][trace]") {
  const auto whole = file({slice("1.000", "1.000")});
  for (std::size_t size = 0; size + 1 < whole.size(); size += 7) {
    CHECK_THROWS_AS(judge(whole.substr(0, size)), sheaf::tools::json_error);
  }
}
