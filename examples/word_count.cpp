// word_count FILE...: counts files on threads, four at a time, while the loop stays free.
#include <sheaf/sheaf.hpp>

#include <cctype>
#include <cerrno>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

struct counts {
  long lines = 0, words = 0, bytes = 0;
};

// Plain blocking code: it runs on a thread.
counts count_words(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  counts c;
  bool in_word = false;
  for (char ch = 0; file.get(ch); ++c.bytes) {
    const bool space = std::isspace(static_cast<unsigned char>(ch));
    if (!space && !in_word) ++c.words;
    if (ch == '\n') ++c.lines;
    in_word = !space;
  }
  if (!file.is_open() || file.bad())
    throw std::system_error(errno, std::generic_category());
  return c;
}

sheaf::coro<counts> count_file(std::string name) {
  const auto counted = co_await sheaf::as_outcome(sheaf::to_thread(count_words, name));
  std::cerr << (counted ? "counted " : "failed  ") << name << '\n';
  co_return counted.value();  // throws what count_words threw
}

void print_row(const counts& c, const std::string& name) {
  for (const long number : {c.lines, c.words, c.bytes})
    std::cout << std::setw(8) << number;
  std::cout << "  " << name << '\n';
}

sheaf::coro<int> count_all(std::vector<std::string> names) {
  std::vector<sheaf::coro<counts>> jobs;
  for (const auto& name : names) jobs.push_back(count_file(name));
  const auto results =
      co_await sheaf::gather(sheaf::return_exceptions, sheaf::limit(4), std::move(jobs));
  int status = 0;
  counts total;
  std::cout << "   lines   words   bytes\n";
  for (std::size_t i = 0; i < names.size(); ++i) {
    try {
      const counts& c = results[i].value();
      total = {total.lines + c.lines, total.words + c.words, total.bytes + c.bytes};
      print_row(c, names[i]);
    } catch (const std::system_error& error) {
      std::cout << "  cannot read this file:  " << names[i] << ": " << error.what()
                << '\n';
      status = 1;
    }
  }
  print_row(total, "total");
  co_return status;
}

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: " << argv[0] << " FILE...\n";
    return 2;
  }
  return sheaf::run(count_all(std::vector<std::string>(argv + 1, argv + argc)));
}
