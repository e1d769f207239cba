#include <sheaf/detail/descriptor.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/work.hpp>

#include <unistd.h>

#include <cerrno>
#include <exception>
#include <utility>

namespace sheaf::detail {

namespace {

/// The number on its way to be closed: by a thread, or by whoever drops the thread's work.
class closing {
 public:
  explicit closing(int number) noexcept : number_(number) {}
  closing(const closing&) = delete;
  closing& operator=(const closing&) = delete;
  ~closing() { close(); }

  // After EINTR the number is free all the same, on Linux; a second try might hit another's.
  void close() noexcept {
    if (number_ < 0) return;
    if (::close(std::exchange(number_, -1)) != 0 && errno != EINTR) code_ = -errno;
  }
  int code() const noexcept { return code_; }

 private:
  int number_;
  int code_ = 0;
};

}  // namespace

descriptor::~descriptor() {
  if (loop_->closed() || !loop_->facade()) {
    closing(number_).close();
    return;
  }
  try {
    close_on_thread(*loop_->facade());
  } catch (...) {  // without memory for it; the number is closed by now
    loop_->fail("a file's close", std::current_exception());
  }
}

void descriptor::close_on_thread(runtime::loop& l) {
  auto c = std::make_shared<closing>(number_);
  auto done = [c, l = loop_, path = std::move(path_),
               waiting = std::move(closed_)](std::error_code) mutable {
    if (c->code() == 0) {
      if (waiting) waiting->try_set_value();
      return;
    }
    const auto error = std::make_exception_ptr(uv_error(c->code(), "fs::close", path));
    // Nobody may wait any more.
    if (!waiting || !waiting->try_set_exception(error)) l->fail("a file's close", error);
  };
  runtime::work(l, [c] { c->close(); }, std::move(done)).detach();
}

descriptor_ref take_over(int number, std::string path) {
  return std::make_shared<descriptor>(loop_core::current("fs::file"), number,
                                      std::move(path));
}

future<> descriptor::closed() {
  closed_.emplace();
  return closed_->get_future();
}

}  // namespace sheaf::detail
