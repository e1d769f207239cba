#include <sheaf/runtime/detail/request_block.hpp>
#include <sheaf/runtime/request.hpp>

namespace sheaf::runtime {

void detail::request_deleter::operator()(request_block* b) const noexcept {
  b->dispose();
}

bool request::pending() const noexcept { return block_->pending(); }

bool request::cancel() noexcept { return block_->cancel(); }

void request::detach() && noexcept { block_.release()->detach(); }

}  // namespace sheaf::runtime
