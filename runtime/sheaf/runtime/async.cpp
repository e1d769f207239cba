#include <sheaf/runtime/async.hpp>
#include <sheaf/runtime/detail/handle_block.hpp>
#include <sheaf/runtime/loop.hpp>

#include <mutex>

namespace sheaf::runtime {

namespace {

class async_block final : public detail::handle_block {
 public:
  async_block(scheduler& s, unique_function<void()> f)
      : handle_block(s, "async"), f_(detail::callable(std::move(f), "async")) {
    opened(uv_async_init(s.uv(), &uv_, on_sent), "uv_async_init");
  }

  bool send() noexcept {
    const std::lock_guard hold(lock_);
    return may_send_ && uv_async_send(&uv_) == 0;
  }

  // Sending to a handle that is being closed is undefined, and the loop's close does not
  // know who sends: hence a lock.
  void close() noexcept override {
    {
      const std::lock_guard hold(lock_);
      may_send_ = false;
    }
    handle_block::close();
  }

  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv_); }

 private:
  static void on_sent(uv_async_t* h) {
    auto& self = of<async_block>(h);
    self.call("async callback", [&self] { self.f_(); });
  }
  void silence() noexcept override { f_.reset(); }

  uv_async_t uv_;
  std::mutex lock_;
  bool may_send_ = true;  // guarded by lock_
  unique_function<void()> f_;
};

}  // namespace

async::async(loop& owner, unique_function<void()> on_sent)
    : handle(new async_block(owner.core(), std::move(on_sent))) {}

bool async::send() const noexcept { return static_cast<async_block&>(block()).send(); }

}  // namespace sheaf::runtime
