#include <sheaf/detail/only_reader.hpp>
#include <sheaf/detail/request_wait.hpp>
#include <sheaf/directory.hpp>
#include <sheaf/runtime/error.hpp>

#include <algorithm>
#include <utility>

namespace sheaf::fs {

namespace {

constexpr std::size_t batch = 64;

}  // namespace

coro<std::optional<entry>> directory::next_of(std::shared_ptr<state> s) {
  if (!s) throw invalid_state("directory::next: no directory is open");
  if (s->come.empty()) {
    // Two threads must not be at one directory.
    const detail::only_reader here(
        s->reading, "directory::next: another task waits for the next entry");
    const auto ask = [&s](runtime::loop& l, auto f) {
      return runtime::fs::readdir(l, s->open, batch, std::move(f));
    };
    using wait = detail::request_wait<std::vector<entry>, decltype(ask)>;
    s->come = co_await wait("fs::readdir", s->path, detail::once_begun::awaited, ask);
    std::ranges::reverse(s->come);
  }
  if (s->come.empty()) co_return std::nullopt;
  entry e = std::move(s->come.back());
  s->come.pop_back();
  co_return e;
}

coro<directory> opendir(std::string path) {
  const std::string_view text = path;
  auto open = co_await detail::ask_for<runtime::fs::directory>(
      "fs::opendir", text, detail::once_begun::dropped, runtime::fs::opendir, text);
  directory d;
  d.state_ = std::make_shared<directory::state>(std::move(open), std::move(path));
  co_return d;
}

}  // namespace sheaf::fs
