#pragma once

#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/error.hpp>

#include <cstddef>
#include <string>

namespace sheaf::runtime::detail {

/// libuv would watch what is before the NUL.
inline void require_no_nul(const std::string& path, const char* operation) {
  if (path.find('\0') != std::string::npos) throw uv_error(UV_EINVAL, operation, path);
}

/// What fs_event or fs_poll watches; empty if it does not.
template <class Handle>
std::string watched_path(Handle* h, int (*get)(Handle*, char*, std::size_t*),
                         const char* operation) {
  std::string path(255, '\0');
  std::size_t size = path.size();
  int code = get(h, path.data(), &size);
  if (code == UV_ENOBUFS) {  // size is what it needs
    path.resize(size);
    code = get(h, path.data(), &size);
  }
  if (code == UV_EINVAL) return {};
  checked(code, operation);
  path.resize(size);
  return path;
}

}  // namespace sheaf::runtime::detail
