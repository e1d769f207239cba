// fs_tail: follows a file that another task writes, line by line, as `tail -f` does.
#include <sheaf/sheaf.hpp>

#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace fs = sheaf::fs;

// One line in two writes: what is unfinished is not given yet.
sheaf::coro<> write_log(std::string path) {
  const fs::file log = co_await fs::open(path, fs::appending);
  for (int i = 1; i <= 3; ++i) {
    co_await log.write("line " + std::to_string(i));
    co_await log.write(" is done\n");
  }
}

sheaf::coro<> follow(std::string path, int wanted) {
  fs::watcher changes = fs::watch(path);  // before the first look: nothing is missed
  const fs::file log = co_await fs::open(path);
  const fs::line_reader lines(log, fs::line_options().follow());
  while (wanted > 0) {
    if (auto line = co_await lines.next()) {
      std::cout << *line << '\n';
      --wanted;
    } else {
      static_cast<void>(co_await changes.next());
    }
  }
}

sheaf::coro<> in_directory(std::string dir) {
  const std::string path = dir + "/log.txt";
  co_await fs::write_file(path, "line 0 was there\n");
  co_await sheaf::gather(follow(path, 4), write_log(path));

  const std::vector<fs::entry> all = co_await fs::scandir(dir);
  for (const fs::entry& e : all) {
    const fs::file_status s = co_await fs::stat(dir + '/' + e.name);
    std::cout << e.name << ": " << s.size << " bytes\n";
  }
  co_await fs::unlink(path);
  co_await fs::rmdir(dir);
  try {
    static_cast<void>(co_await fs::read_file("no/such/file"));
  } catch (const sheaf::uv_error& e) {
    std::cout << e.what() << '\n';
  }
}

int main() {
  sheaf::run([]() -> sheaf::coro<> {
    std::string dir = co_await fs::mkdtemp("/tmp/sheaf-tail-XXXXXX");
    co_await in_directory(std::move(dir));
  }());
}
