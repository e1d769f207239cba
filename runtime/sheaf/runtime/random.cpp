#include <sheaf/runtime/detail/handle_request.hpp>
#include <sheaf/runtime/detail/request_block.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/random.hpp>

namespace sheaf::runtime {

namespace {

using bytes_callback = unique_function<void(std::string, std::error_code)>;

class random_block final : public detail::request_block {
 public:
  random_block(scheduler& s, std::size_t size, bytes_callback f)
      : request_block(s, "random"),
        bytes_(size, '\0'),
        f_(detail::callable(std::move(f), "random")) {
    uv_.data = static_cast<request_block*>(this);
  }
  uv_req_t* raw() noexcept override { return reinterpret_cast<uv_req_t*>(&uv_); }

  static request submit(loop& l, std::unique_ptr<random_block> b) {
    const int code =
        uv_random(l.uv(), &b->uv_, b->bytes_.data(), b->bytes_.size(), 0, on_done);
    return submitted(std::move(b), code, "uv_random");
  }

 private:
  static void on_done(uv_random_t* r, int status, void*, std::size_t) {
    auto& self = of<random_block>(r);
    if (status < 0) self.bytes_.clear();
    self.finish("random callback",
                [&] { self.f_(std::move(self.bytes_), detail::to_error(status)); });
  }
  void silence() noexcept override { f_.reset(); }

  uv_random_t uv_{};
  std::string bytes_;
  bytes_callback f_;
};

}  // namespace

request random(loop& l, std::size_t size, bytes_callback f) {
  return random_block::submit(
      l, std::make_unique<random_block>(l.core(), size, std::move(f)));
}

}  // namespace sheaf::runtime
