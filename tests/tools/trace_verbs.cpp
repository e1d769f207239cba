#include "command.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace {

namespace fs = std::filesystem;

// A task that failed after a sleep, and one that is still there at the end.
const std::string sample = R"({"traceEvents":[
{"ph":"M","cat":"__metadata","name":"process_name","ts":0.000,"pid":7,"tid":7,"args":{"name":"p"}},
{"ph":"M","cat":"__metadata","name":"thread_name","ts":0.000,"pid":7,"tid":7,"args":{"name":"loop"}},
{"ph":"M","cat":"__metadata","name":"thread_sort_index","ts":0.000,"pid":7,"tid":7,"args":{"sort_index":0}},
{"ph":"b","cat":"task","name":"fetch","ts":1000.000,"pid":7,"tid":7,"id":"0x700000001","args":{"task":1,"parent":0,"at":"a.cpp:5"}},
{"ph":"b","cat":"task","name":"ready","ts":1000.000,"pid":7,"tid":7,"id":"0x700000001","args":{"task":1}},
{"ph":"e","cat":"task","name":"ready","ts":2000.000,"pid":7,"tid":7,"id":"0x700000001","args":{"task":1}},
{"ph":"X","cat":"task","name":"fetch","ts":2000.000,"pid":7,"tid":7,"dur":3000.000,"args":{"task":1,"step":1}},
{"ph":"b","cat":"task","name":"server","ts":3000.000,"pid":7,"tid":7,"id":"0x700000002","args":{"task":2,"parent":1,"at":"a.cpp:9"}},
{"ph":"b","cat":"task","name":"await sleep","ts":4000.000,"pid":7,"tid":7,"id":"0x700000001","args":{"task":1,"on":"sleep","for_us":5}},
{"ph":"b","cat":"task","name":"await read","ts":4500.000,"pid":7,"tid":7,"id":"0x700000002","args":{"task":2,"on":"read","at":"a.cpp:12"}},
{"ph":"e","cat":"task","name":"await sleep","ts":9000.000,"pid":7,"tid":7,"id":"0x700000001","args":{"task":1}},
{"ph":"X","cat":"task","name":"fetch","ts":9000.000,"pid":7,"tid":7,"dur":1000.000,"args":{"task":1,"step":2}},
{"ph":"i","cat":"warn","name":"loop.blocked","ts":9500.000,"pid":7,"tid":7,"s":"p","args":{"task":1,"us":3000,"at":"a.cpp:6"}},
{"ph":"e","cat":"task","name":"fetch","ts":9900.000,"pid":7,"tid":7,"id":"0x700000001","args":{"task":1,"state":"error","error":"no route"}},
{"ph":"e","cat":"task","name":"await read","ts":11000.000,"pid":7,"tid":7,"id":"0x700000002","args":{"task":2,"open":true}},
{"ph":"e","cat":"task","name":"server","ts":11000.000,"pid":7,"tid":7,"id":"0x700000002","args":{"task":2,"open":true}}
],"displayTimeUnit":"ms","metadata":{"schema":"sheaf-trace/1","dropped":3}})";

class folder {
 public:
  folder()
      : path_(fs::temp_directory_path() / ("sheaf_verbs_" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~folder() { fs::remove_all(path_); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;

  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
    return path(name);
  }
  std::string path(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

struct outcome {
  int code;
  std::string out;
};

outcome sheaf_says(const std::vector<std::string_view>& words) {
  std::ostringstream text;
  auto* const before = std::cout.rdbuf(text.rdbuf());
  const auto code = sheaf::tools::run(words);
  std::cout.rdbuf(before);
  return {code, text.str()};
}

bool holds(const outcome& said, const std::string& words) {
  return said.out.find(words) != std::string::npos;
}

std::string content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("sheaf: help begins with an example and succeeds", "[tools][verbs]") {
  for (const std::vector<std::string_view>& words :
       {std::vector<std::string_view>{"--help"},
        {"trace", "--help"},
        {"trace", "tasks", "-h"}}) {
    const auto said = sheaf_says(words);
    CHECK(said.code == 0);
    CHECK(holds(said, "SHEAF_TRACE=run.json"));
  }
}

TEST_CASE("sheaf: a command line that makes no sense is 2", "[tools][verbs]") {
  CHECK(sheaf_says({}).code == 2);
  CHECK(sheaf_says({"dance"}).code == 2);
  CHECK(sheaf_says({"trace"}).code == 2);
  CHECK(sheaf_says({"trace", "dance"}).code == 2);
  for (const std::string_view verb : {"summary", "check", "tasks", "diff", "export"}) {
    CHECK(sheaf_says({"trace", verb}).code == 2);
    CHECK(sheaf_says({"trace", verb, "--dance"}).code == 2);
    CHECK(sheaf_says({"trace", verb, "/no/such/file"}).code == 2);
  }
  CHECK(sheaf_says({"trace", "tasks", "--sort", "colour", "x"}).code == 2);
  CHECK(sheaf_says({"trace", "tasks", "--sort"}).code == 2);
  CHECK(sheaf_says({"trace", "summary", "--json=yes", "x"}).code == 2);
}

TEST_CASE("sheaf trace: a file without events, or a folder, is 2", "[tools][verbs]") {
  const folder here;
  const auto empty = here.file("empty.json", "");
  const auto other = here.file("other.json", R"({"a":1})");
  const auto cut = here.file("cut.json", sample.substr(0, 900));
  for (const std::string_view verb : {"summary", "tasks"}) {
    CHECK(sheaf_says({"trace", verb, empty}).code == 2);
    CHECK(sheaf_says({"trace", verb, other}).code == 2);
    CHECK(sheaf_says({"trace", verb, cut}).code == 2);
    CHECK(sheaf_says({"trace", verb, here.path("")}).code == 2);
  }
}

TEST_CASE("sheaf trace check: 0 for a good file, 1 for a bad one among good ones",
          "[tools][verbs]") {
  const folder here;
  const auto good = here.file("good.json", sample);
  const auto bad = here.file("bad.json", "[]");
  const auto cut = here.file("cut.json", sample.substr(0, 900));
  CHECK(sheaf_says({"trace", "check", good}).code == 0);
  const auto said = sheaf_says({"trace", "check", good, bad, cut});
  CHECK(said.code == 1);
  CHECK(holds(said, good + ": ok\n"));
  CHECK(holds(said, bad + ": not the object form\n"));
  CHECK(holds(said, cut + ": not JSON, or cut off: byte 901 of 900\n"));
}

TEST_CASE("sheaf trace check: twenty lines a file at most", "[tools][verbs]") {
  const folder here;
  std::string text = "{\"traceEvents\":[7";
  for (int i = 0; i < 99; ++i) text += ",7";
  const auto bad = here.file("bad.json", text + "]}");
  CHECK(holds(sheaf_says({"trace", "check", bad}), "and 81 more\n"));
}

TEST_CASE("sheaf trace tasks: a row a task, with what became of it", "[tools][verbs]") {
  const folder here;
  const auto said = sheaf_says({"trace", "tasks", here.file("t.json", sample)});
  CHECK(said.code == 0);
  CHECK(
      holds(said,
            "    1      - fetch  error          8.90      4.00      1.00      5.00      2"
            "      3.00  a.cpp:5  no route\n"));
  CHECK(holds(said, "    2      1 server open "));
  CHECK(holds(said, "a.cpp:9  await read at a.cpp:12\n"));
}

TEST_CASE("sheaf trace tasks: sorted by a column, the largest first", "[tools][verbs]") {
  const folder here;
  const auto file = here.file("t.json", sample);
  const auto first = [&](std::string_view column) {
    const auto text = sheaf_says({"trace", "tasks", "--sort", column, file}).out;
    return text.find("fetch") < text.find("server") ? "fetch" : "server";
  };
  CHECK(first("busy") == std::string("fetch"));
  CHECK(first("wait") == std::string("server"));
  CHECK_FALSE(holds(sheaf_says({"trace", "tasks", "--name=serv", file}), "fetch"));
}

TEST_CASE("sheaf trace summary: the run on one screen", "[tools][verbs]") {
  const folder here;
  const auto said = sheaf_says({"trace", "summary", here.file("t.json", sample)});
  CHECK(said.code == 0);
  CHECK(holds(said, "10.00 ms, 2 tasks, 16 events, 3 dropped"));
  CHECK(holds(said, "!! loop.blocked 3.00 ms   task 1 fetch   a.cpp:6"));
  CHECK(holds(said, "1 error  1 open      created 2  max live 2"));
}

TEST_CASE("sheaf trace summary: --json is one object a file", "[tools][verbs]") {
  const folder here;
  const auto file = here.file("t.json", sample);
  const auto said = sheaf_says({"trace", "summary", "--json", file, file});
  CHECK(std::count(said.out.begin(), said.out.end(), '\n') == 2);
  CHECK(holds(said, R"("span_ns":10000000,)"));
  CHECK(holds(said, R"("findings":[{"about":"a.cpp:6","at_ns":9500000,)"));
}

TEST_CASE("sheaf trace export: slices without args, for speedscope", "[tools][verbs]") {
  const folder here;
  const auto out = here.path("out.json");
  const auto file = here.file("t.json", sample);
  CHECK(sheaf_says({"trace", "export", "--speedscope", file, "-o", out}).code == 0);
  const auto text = content(out);
  CHECK(text.find("\"fetch\"") != std::string::npos);
  CHECK(text.find("\"step\"") == std::string::npos);
  CHECK(text.find("\"ph\":\"b\"") == std::string::npos);
  CHECK(sheaf_says({"trace", "export", "--speedscope", file, "-o", "/no/such/x"}).code ==
        2);
  CHECK(sheaf_says({"trace", "export", file, "-o", out}).code == 2);
}

TEST_CASE("sheaf: a full disk behind standard output is 2", "[tools][verbs]") {
  const auto* const tool = std::getenv("SHEAF_TOOL");
  if (tool == nullptr || !fs::exists("/dev/full")) {
    SUCCEED("needs SHEAF_TOOL and /dev/full");
    return;
  }
  const auto command = std::string(tool) + " --help >/dev/full 2>/dev/null";
  const auto status = std::system(command.c_str());
  CHECK(WEXITSTATUS(status) == 2);
}
