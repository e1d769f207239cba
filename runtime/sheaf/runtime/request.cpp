#include <sheaf/runtime/detail/request_block.hpp>
#include <sheaf/runtime/request.hpp>

#include <utility>

namespace sheaf::runtime {

void detail::request_deleter::operator()(request_block* b) const noexcept {
  b->dispose();
}

bool request::pending() const noexcept { return block_->pending(); }

bool request::cancel() noexcept { return block_->cancel(); }

void request::keep(std::shared_ptr<const void> what) noexcept {
  block_->keep(std::move(what));
}

void request::detach() && noexcept { block_.release()->detach(); }

}  // namespace sheaf::runtime
