#include <sheaf/loop.hpp>
#include <sheaf/watch.hpp>

namespace sheaf::fs {

watcher watch(const std::string& path) {
  return watcher(std::make_shared<detail::watch_core>(loop::current(), path));
}

poll_watcher poll_watch(const std::string& path, std::chrono::nanoseconds interval) {
  return poll_watcher(
      std::make_shared<detail::poll_core>(loop::current(), path, interval));
}

}  // namespace sheaf::fs
