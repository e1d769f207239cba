#include <sheaf/runtime/detail/handle_request.hpp>
#include <sheaf/runtime/detail/request_block.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/work.hpp>

#include <exception>

namespace sheaf::runtime {

namespace {

class work_block final : public detail::request_block {
 public:
  work_block(scheduler& s, unique_function<void()> f, detail::done_callback done)
      : request_block(s, "work"),
        f_(detail::callable(std::move(f), "work")),
        done_(detail::callable(std::move(done), "work")) {
    uv_.data = static_cast<request_block*>(this);
  }
  uv_req_t* raw() noexcept override { return reinterpret_cast<uv_req_t*>(&uv_); }

  static request submit(loop& l, std::unique_ptr<work_block> b) {
    const int code = uv_queue_work(l.uv(), &b->uv_, execute, on_done);
    return submitted(std::move(b), code, "uv_queue_work");
  }

 private:
  static void execute(uv_work_t* r) {
    auto& self = of<work_block>(r);
    try {
      self.f_();
    } catch (...) {
      self.thrown_ = std::current_exception();
    }
  }
  static void on_done(uv_work_t* r, int status) {
    auto& self = of<work_block>(r);
    const std::exception_ptr thrown = std::exchange(self.thrown_, nullptr);
    scheduler& s = self.owner();
    self.f_.reset();  // what it holds dies on the loop's thread, and before it is done
    if (thrown && self.silenced()) s.fail("work", thrown);
    self.finish("work callback", [&] {
      try {
        self.done_(detail::to_error(status));
      } catch (...) {
        if (thrown) s.fail("work", thrown);
        throw;
      }
      if (thrown) std::rethrow_exception(thrown);
    });
  }
  // What a thread may be running stays until it has let go.
  void silence() noexcept override { done_.reset(); }

  uv_work_t uv_{};
  unique_function<void()> f_;
  detail::done_callback done_;
  std::exception_ptr thrown_;
};

}  // namespace

request work(loop& l, unique_function<void()> f,
             unique_function<void(std::error_code)> done) {
  return work_block::submit(
      l, std::make_unique<work_block>(l.core(), std::move(f), std::move(done)));
}

}  // namespace sheaf::runtime
