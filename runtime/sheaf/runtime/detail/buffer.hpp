#pragma once

#include <sheaf/runtime/detail/uv.hpp>

#include <string_view>

namespace sheaf::runtime::detail {

/// `bytes` as libuv wants them. Not uv_buf_init, whose length is an unsigned int: of 4 GiB and
/// a byte it would send the byte.
inline uv_buf_t to_buffer(std::string_view bytes) noexcept {
  uv_buf_t b;
  b.base = const_cast<char*>(bytes.data());
  b.len = bytes.size();
  return b;
}

}  // namespace sheaf::runtime::detail
