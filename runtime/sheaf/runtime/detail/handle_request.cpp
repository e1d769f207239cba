#include <sheaf/runtime/detail/handle_request.hpp>

namespace sheaf::runtime::detail {

handle_request::handle_request(requesting_block& on, done_callback f) noexcept
    : on_(on), done_(std::move(f)), prev_(nullptr), next_(on.requests_) {
  if (next_) next_->prev_ = this;
  on.requests_ = this;
}

void handle_request::unlink() noexcept {
  (prev_ ? prev_->next_ : on_.requests_) = next_;
  if (next_) next_->prev_ = prev_;
  prev_ = nullptr;
  next_ = nullptr;
}

void handle_request::finish(const char* what, int status) noexcept {
  const std::unique_ptr<handle_request> self(this);
  if (!done_) return;
  done_callback f = std::move(done_);
  on_.call(what, [&] { f(to_error(status)); });
}

// A callable may own what destroys other requests' callables: each is taken out first.
void requesting_block::silence() noexcept {
  for (handle_request* r = requests_; r; r = r->next_) {
    done_callback dies = std::move(r->done_);
  }
}

}  // namespace sheaf::runtime::detail
