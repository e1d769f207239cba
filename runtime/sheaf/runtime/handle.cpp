#include <sheaf/runtime/detail/handle_block.hpp>
#include <sheaf/runtime/handle.hpp>

namespace sheaf::runtime {

void detail::block_deleter::operator()(handle_block* b) const noexcept { b->dispose(); }

bool handle::active() const noexcept {
  return block().open() && uv_is_active(block().raw()) != 0;
}

bool handle::has_ref() const noexcept {
  return block().open() && uv_has_ref(block().raw()) != 0;
}

void handle::ref() noexcept {
  if (block().open()) uv_ref(block().raw());
}

void handle::unref() noexcept {
  if (block().open()) uv_unref(block().raw());
}

}  // namespace sheaf::runtime
