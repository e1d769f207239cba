#pragma once

namespace sheaf::runtime {

/// A moment of a loop that waits for another processor: some ten nanoseconds in which this one
/// gives its resources to the thread beside it.
inline void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace sheaf::runtime
