#include <sheaf/runtime/detail/handle_block.hpp>
#include <sheaf/runtime/detail/handle_request.hpp>
#include <sheaf/runtime/detail/watched_path.hpp>
#include <sheaf/runtime/fs_event.hpp>
#include <sheaf/runtime/loop.hpp>

namespace sheaf::runtime {

namespace {

class fs_event_block final : public detail::handle_block {
 public:
  fs_event_block(scheduler& s, fs_event::callback f)
      : handle_block(s, "fs_event"), f_(detail::callable(std::move(f), "fs_event")) {
    opened(uv_fs_event_init(s.uv(), &uv), "uv_fs_event_init");
  }

  static void on_change(uv_fs_event_t* h, const char* name, int events, int status) {
    auto& self = of<fs_event_block>(h);
    const fs_event::event what{name ? std::string_view(name) : std::string_view(),
                               (events & UV_RENAME) != 0, (events & UV_CHANGE) != 0};
    self.call("fs_event callback", [&] { self.f_(what, detail::to_error(status)); });
  }

  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv); }

  uv_fs_event_t uv;

 private:
  void silence() noexcept override { f_.reset(); }

  fs_event::callback f_;
};

fs_event_block& as_fs_event(detail::handle_block& b) noexcept {
  return static_cast<fs_event_block&>(b);
}

}  // namespace

fs_event::fs_event(loop& owner, callback on_change)
    : handle(new fs_event_block(owner.core(), std::move(on_change))) {}

void fs_event::start(const std::string& path) {
  constexpr const char* operation = "uv_fs_event_start";
  static_cast<void>(block().owner("fs_event::start"));
  detail::require_no_nul(path, operation);
  uv_fs_event_t& uv = as_fs_event(block()).uv;
  uv_fs_event_stop(&uv);  // libuv refuses one that is started
  checked(uv_fs_event_start(&uv, fs_event_block::on_change, path.c_str(), 0), operation,
          path);
}

void fs_event::stop() noexcept {
  if (block().open()) uv_fs_event_stop(&as_fs_event(block()).uv);
}

std::string fs_event::path() const {
  static_cast<void>(block().owner("fs_event::path"));
  return detail::watched_path(&as_fs_event(block()).uv, uv_fs_event_getpath,
                              "uv_fs_event_getpath");
}

}  // namespace sheaf::runtime
