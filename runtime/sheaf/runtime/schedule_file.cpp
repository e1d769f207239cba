#include <sheaf/runtime/schedule_file.hpp>
#include <sheaf/runtime/scheduler.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace sheaf::runtime {

namespace {

constexpr std::string_view version = "sheaf-schedule/1";

using order = std::vector<std::uint32_t>;

struct recorded_batch {
  std::uint32_t size;
  order ran;  // empty: first in, first out
};

struct closer {
  void operator()(std::FILE* f) const noexcept { std::fclose(f); }
};
using file_ptr = std::unique_ptr<std::FILE, closer>;

[[noreturn]] void fail(const char* verb, const std::filesystem::path& file) {
  throw std::system_error(
      errno, std::generic_category(),
      std::string("cannot ") + verb + " the schedule " + file.string());
}

file_ptr open(const std::filesystem::path& file, const char* mode, const char* verb) {
  file_ptr f(std::fopen(file.c_str(), mode));
  if (!f) fail(verb, file);
  return f;
}

bool in_order(const order& o) noexcept {
  for (std::size_t i = 0; i < o.size(); ++i) {
    if (o[i] != i) return false;
  }
  return true;
}

// ---- writing ---------------------------------------------------------------------------

class recording_schedule final : public schedule {
 public:
  recording_schedule(const std::filesystem::path& file, std::unique_ptr<schedule> inner)
      : path_(file), file_(open(file, "wbe", "open")), inner_(std::move(inner)) {
    put(std::string(version) + '\n');
  }
  ~recording_schedule() override {
    if (file_) put_end();
  }

  void arrange(std::span<ready_node*> batch) noexcept override {
    try {
      put(line_of(batch));
    } catch (...) {
      error_ = ENOMEM;
    }
  }

  void finish() override {
    if (!file_) return;
    put_end();
    errno = std::fclose(file_.release()) != 0 && error_ == 0 ? errno : error_;
    if (errno != 0) fail("write", path_);
  }

 private:
  using place = std::pair<ready_node*, std::uint32_t>;

  std::string line_of(std::span<ready_node*> batch) {
    places_.clear();
    for (ready_node* const n : batch) {
      places_.emplace_back(n, static_cast<std::uint32_t>(places_.size()));
    }
    if (inner_) inner_->arrange(batch);
    std::sort(places_.begin(), places_.end());
    order ran;
    for (ready_node* const n : batch) {
      ran.push_back(
          std::lower_bound(places_.begin(), places_.end(), place{n, 0})->second);
    }
    ++batches_;
    std::string line = std::to_string(batch.size());
    if (!in_order(ran)) {
      for (const auto i : ran) line += ' ' + std::to_string(i);
    }
    return line += '\n';
  }

  // Each line at once: who looks for the cause of a crash needs the last one most.
  void put(const std::string& text) noexcept {
    std::fwrite(text.data(), 1, text.size(), file_.get());
    if (std::fflush(file_.get()) != 0 && error_ == 0) error_ = errno;
  }
  void put_end() noexcept {
    try {
      put("end " + std::to_string(batches_) + '\n');
    } catch (...) {
      error_ = ENOMEM;
    }
  }

  const std::filesystem::path path_;
  file_ptr file_;  // null once finished
  const std::unique_ptr<schedule> inner_;
  std::vector<place> places_;
  std::size_t batches_ = 0;
  int error_ = 0;
};

// ---- reading ---------------------------------------------------------------------------

std::string content_of(const std::filesystem::path& file) {
  const file_ptr f = open(file, "rbe", "open");
  std::string text;
  std::string block(std::size_t{1} << 16, '\0');
  while (const auto size = std::fread(block.data(), 1, block.size(), f.get())) {
    text.append(block, 0, size);
  }
  if (std::ferror(f.get()) != 0) fail("read", file);
  return text;
}

/// The lines of a schedule file, all read before the run.
class reader {
 public:
  explicit reader(const std::filesystem::path& file)
      : name_(file.string()), text_(content_of(file)), left_(text_) {}

  std::vector<recorded_batch> batches() {
    if (next_line() != version) {
      wrong("the first line of a schedule is '" + std::string(version) + "'");
    }
    std::vector<recorded_batch> all;
    while (!left_.empty()) {
      const auto line = next_line();
      if (line.starts_with("end ")) {
        end(line.substr(4), all.size());
      } else {
        all.push_back(batch(line));
      }
    }
    return all;
  }

 private:
  [[noreturn]] void wrong(const std::string& what) const {
    throw schedule_error(name_ + ": line " + std::to_string(number_) + ": " + what);
  }

  std::string_view next_line() {
    ++number_;
    const auto end = left_.find('\n');
    if (end == left_.npos) wrong("cut off, or no schedule");
    const auto line = left_.substr(0, end);
    left_.remove_prefix(end + 1);
    return line;
  }

  std::uint32_t number(std::string_view& words) const {
    std::uint32_t value = 0;
    const auto* const last = words.data() + words.size();
    const auto [rest, error] = std::from_chars(words.data(), last, value);
    if (error != std::errc() || (rest != last && *rest != ' ')) wrong("not a number");
    words = {rest == last ? rest : rest + 1, last};
    return value;
  }

  recorded_batch batch(std::string_view words) const {
    recorded_batch b{number(words), {}};
    while (!words.empty()) b.ran.push_back(number(words));
    order sorted = b.ran;
    std::sort(sorted.begin(), sorted.end());
    if (b.size < 2 || !in_order(sorted) || (!sorted.empty() && sorted.size() != b.size)) {
      wrong("not a size of 2 or more and each number below it once");
    }
    return b;
  }

  void end(std::string_view words, std::size_t batches) {
    if (number(words) != batches || !left_.empty()) wrong("an end that is none");
  }

  const std::string name_;
  const std::string text_;
  std::string_view left_;
  std::size_t number_ = 0;
};

class replaying_schedule final : public schedule {
 public:
  replaying_schedule(const std::filesystem::path& file, scheduler& s)
      : name_(file.string()), scheduler_(s), batches_(reader(file).batches()) {}

  void arrange(std::span<ready_node*> batch) noexcept override {
    if (diverged_) return;
    try {
      follow(batch);
    } catch (...) {
      diverge(std::current_exception());
    }
  }

  void finish() override {
    if (diverged_ || next_ == batches_.size()) return;
    diverged_ = true;
    throw schedule_error(name_ + ": the run ended after batch " + std::to_string(next_) +
                         ", the recording has " + std::to_string(batches_.size()));
  }

 private:
  void follow(std::span<ready_node*> batch) {
    const std::size_t number = next_ + 1;
    if (next_ == batches_.size()) differs(number, batch.size(), "the recording is over");
    const auto& [size, ran] = batches_[next_++];
    if (size != batch.size()) {
      differs(number, batch.size(), "the recording has " + std::to_string(size));
    }
    queued_.assign(batch.begin(), batch.end());
    for (std::size_t i = 0; i < ran.size(); ++i) batch[i] = queued_[ran[i]];
  }

  void diverge(std::exception_ptr e) noexcept {
    diverged_ = true;
    if (scheduler_.running()) return scheduler_.leave_with(std::move(e));
    scheduler_.report({.message = "a replayed schedule", .exception = std::move(e)});
  }

  [[noreturn]] void differs(std::size_t number, std::size_t size,
                            const std::string& recorded) const {
    throw schedule_error(name_ + ": batch " + std::to_string(number) + ": " +
                         std::to_string(size) + " were ready, " + recorded);
  }

  const std::string name_;
  scheduler& scheduler_;
  const std::vector<recorded_batch> batches_;
  std::vector<ready_node*> queued_;
  std::size_t next_ = 0;
  bool diverged_ = false;
};

}  // namespace

std::unique_ptr<schedule> make_recording_schedule(const std::filesystem::path& file,
                                                  std::unique_ptr<schedule> inner) {
  return std::make_unique<recording_schedule>(file, std::move(inner));
}

std::unique_ptr<schedule> make_replaying_schedule(const std::filesystem::path& file,
                                                  scheduler& s) {
  return std::make_unique<replaying_schedule>(file, s);
}

}  // namespace sheaf::runtime
