#pragma once

#include <cstddef>

namespace sheaf::runtime {

namespace detail {

struct pool_block {
  pool_block* next;
};

/// Free lists of one thread, a class per 16 bytes.
struct pool_lists {
  static constexpr std::size_t granule = 16;
  static constexpr std::size_t largest = 1024;
  static constexpr std::size_t classes = largest / granule + 1;

  pool_block* head[classes];
  bool bypass;  // the lists stay empty and every call takes the slow path
};

// A pointer, not the lists themselves: a library that is loaded late has little room
// for initial-exec thread locals. It points to empty lists until the thread's first use.
extern constinit thread_local pool_lists* this_thread_pool
    __attribute__((tls_model("initial-exec")));

void* pool_refill(std::size_t size);
void pool_return(void* block, std::size_t size) noexcept;

}  // namespace detail

/// Recycles coroutine frames and the states of tasks: a free list per size and thread.
///
/// A block may be given back on another thread than the one it came from. What a thread
/// frees it keeps for its next frames; when it ends, its blocks go to the next thread that
/// needs some. Memory is not handed back to the system. Under AddressSanitizer and
/// valgrind's SHEAF_POOL=off every block comes from malloc, so that a use after free shows.
///
/// Cost: about 2 ns for a block that fits a list, malloc's above 1,024 bytes.
class frame_pool {
 public:
  static void* allocate(std::size_t size) {
    auto& lists = *detail::this_thread_pool;
    const std::size_t c = size_class(size);
    if (c < detail::pool_lists::classes) [[likely]] {
      if (auto* block = lists.head[c]) [[likely]] {
        lists.head[c] = block->next;
        return block;
      }
    }
    return detail::pool_refill(size);
  }

  static void deallocate(void* memory, std::size_t size) noexcept {
    auto& lists = *detail::this_thread_pool;
    const std::size_t c = size_class(size);
    if (c >= detail::pool_lists::classes || lists.bypass) [[unlikely]] {
      return detail::pool_return(memory, size);
    }
    auto* block = static_cast<detail::pool_block*>(memory);
    block->next = lists.head[c];
    lists.head[c] = block;
  }

 private:
  static constexpr std::size_t size_class(std::size_t size) noexcept {
    return (size + detail::pool_lists::granule - 1) / detail::pool_lists::granule;
  }
};

/// Base of what is allocated from the frame pool by plain `new` and `delete`.
struct pooled {
  static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
  static void* operator new(std::size_t, void* place) noexcept { return place; }
  static void operator delete(void* p, std::size_t size) noexcept {
    frame_pool::deallocate(p, size);
  }
};

}  // namespace sheaf::runtime
