#include <sheaf/runtime/configure.hpp>
#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/loop.hpp>

#include <csignal>

namespace sheaf::runtime {

namespace {

int apply(uv_loop_t* uv, loop_option o) {
  switch (o) {
    case loop_option::metrics_idle_time:
      return uv_loop_configure(uv, UV_METRICS_IDLE_TIME);
    case loop_option::block_sigprof:
      return uv_loop_configure(uv, UV_LOOP_BLOCK_SIGNAL, SIGPROF);
    case loop_option::use_io_uring_sqpoll:
#if UV_VERSION_HEX >= ((1 << 16) | (49 << 8))
      return uv_loop_configure(uv, UV_LOOP_USE_IO_URING_SQPOLL);
#else
      break;
#endif
  }
  return UV_ENOSYS;
}

}  // namespace

void configure(loop& l, loop_option o) {
  l.core().require_open("configure");
  if (l.core().borrowed()) {
    throw invalid_state("configure: a borrowed loop is configured by its host");
  }
  checked(apply(l.uv(), o), "uv_loop_configure");
}

}  // namespace sheaf::runtime
