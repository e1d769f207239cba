#include <sheaf/runtime/detail/handle_block.hpp>
#include <sheaf/runtime/detail/handle_request.hpp>
#include <sheaf/runtime/detail/to_status.hpp>
#include <sheaf/runtime/detail/watched_path.hpp>
#include <sheaf/runtime/fs_poll.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/thread_census.hpp>

#include <algorithm>
#include <limits>
#include <memory>

namespace sheaf::runtime {

namespace {

class fs_poll_block final : public detail::handle_block {
 public:
  using shared_callback = std::shared_ptr<fs_poll::callback>;

  fs_poll_block(scheduler& s, shared_callback f)
      : handle_block(s, "fs_poll"), f_(std::move(f)) {
    opened(uv_fs_poll_init(s.uv(), &uv), "uv_fs_poll_init");
  }

  static void on_change(uv_fs_poll_t* h, int status, const uv_stat_t* before,
                        const uv_stat_t* now) {
    auto& self = of<fs_poll_block>(h);
    self.call("fs_poll callback", [&, f = self.f_] {
      (*f)(detail::to_status(*before), detail::to_status(*now), detail::to_error(status));
    });
  }

  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv); }
  const shared_callback& callable() const noexcept { return f_; }

  uv_fs_poll_t uv;
  bool used = false;  // it has been started

 private:
  void silence() noexcept override { const shared_callback dies = std::move(f_); }

  shared_callback f_;
};

fs_poll_block& as_fs_poll(detail::handle_block& b) noexcept {
  return static_cast<fs_poll_block&>(b);
}

unsigned to_ms(std::chrono::nanoseconds interval) noexcept {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(interval).count();
  constexpr long most = std::numeric_limits<unsigned>::max();
  return static_cast<unsigned>(std::clamp<long>(ms, 1, most));
}

}  // namespace

fs_poll::fs_poll(loop& owner, callback on_change)
    : handle(new fs_poll_block(owner.core(), std::make_shared<callback>(detail::callable(
                                                 std::move(on_change), "fs_poll")))) {}

void fs_poll::start(const std::string& path, std::chrono::nanoseconds interval) {
  constexpr const char* operation = "uv_fs_poll_start";
  scheduler& s = block().owner("fs_poll::start");
  detail::require_no_nul(path, operation);
  // libuv ignores the new path of one that is started; stopped and started again, it goes on
  // with both, and ends the program at an assert (fs-poll.c, timer_cb).
  if (as_fs_poll(block()).used) {
    const bool referenced = has_ref();
    replace(new fs_poll_block(s, as_fs_poll(block()).callable()));
    if (!referenced) unref();
  }
  fs_poll_block& b = as_fs_poll(block());
  checked(
      uv_fs_poll_start(&b.uv, fs_poll_block::on_change, path.c_str(), to_ms(interval)),
      operation, path);
  b.used = true;
  count_libuv_threads();
}

void fs_poll::stop() noexcept {
  if (block().open()) uv_fs_poll_stop(&as_fs_poll(block()).uv);
}

std::string fs_poll::path() const {
  static_cast<void>(block().owner("fs_poll::path"));
  return detail::watched_path(&as_fs_poll(block()).uv, uv_fs_poll_getpath,
                              "uv_fs_poll_getpath");
}

}  // namespace sheaf::runtime
