#pragma once

#include <cstddef>
#include <new>

namespace sheaf::runtime {

namespace detail {

struct pool_block {
  pool_block* next;
};

/// Free lists of one thread, a class per 8 bytes.
struct pool_lists {
  static constexpr std::size_t granule = 8;
  static constexpr std::size_t largest = 1024;
  static constexpr std::size_t classes = largest / granule + 1;
  static constexpr unsigned char together = 60;

  pool_block* head[classes];
  bool bypass;  // the lists stay empty and every call takes the slow path
  pool_block* foreign[classes];  // of other threads, to be given back together
  unsigned char foreign_size[classes];
};

// A pointer, not the lists themselves: a library that is loaded late has little room
// for initial-exec thread locals. It points to empty lists until the thread's first use.
extern constinit thread_local pool_lists* this_thread_pool
    __attribute__((tls_model("initial-exec")));

void* pool_refill(std::size_t size);
void pool_return(void* block, std::size_t size) noexcept;
void pool_return_foreign(std::size_t size_class) noexcept;
void pool_share() noexcept;

}  // namespace detail

/// Recycles coroutine frames and the states of tasks: a free list per size and thread.
///
/// A block may be given back on another thread than the one it came from. What a thread
/// frees it keeps for its next frames, but for deallocate_foreign() and share(); when it ends,
/// its blocks go to the next thread that needs some. Memory is not handed back to the system. Under
/// AddressSanitizer, and with SHEAF_POOL=off (for valgrind), every block comes from malloc,
/// so that a use after free shows.
///
/// Cost: about 2 ns for a block that fits a list, malloc's above 1,024 bytes.
class frame_pool {
 public:
  /// Aligned as plain operator new does, for whatever a coroutine may hold.
  static void* allocate(std::size_t size) { return take(round_up(size, 16)); }
  static void deallocate(void* memory, std::size_t size) noexcept {
    give(memory, round_up(size, 16));
  }

  /// Gives back what another thread allocates all the time, such as messages from it: sixty
  /// at once, to where that thread finds them.
  static void deallocate_foreign(void* memory, std::size_t size) noexcept {
    auto& lists = *detail::this_thread_pool;
    const std::size_t c = round_up(size, 16) / detail::pool_lists::granule;
    if (c >= detail::pool_lists::classes || lists.bypass) [[unlikely]] {
      return detail::pool_return(memory, round_up(size, 16));
    }
    auto* block = static_cast<detail::pool_block*>(memory);
    block->next = lists.foreign[c];
    lists.foreign[c] = block;
    if (++lists.foreign_size[c] == detail::pool_lists::together) [[unlikely]]
      detail::pool_return_foreign(c);
  }

  /// Gives what this thread has kept and not needed since the last call to all. For who frees
  /// what others allocate and does not know it: the frames of coroutines that came from
  /// another thread. Cost: some 100 ns; to be called once for some hundred of them.
  static void share() noexcept { detail::pool_share(); }

  /// For objects whose alignment is 8 at most.
  static void* allocate_object(std::size_t size) { return take(round_up(size, 8)); }
  static void deallocate_object(void* memory, std::size_t size) noexcept {
    give(memory, round_up(size, 8));
  }

 private:
  static constexpr std::size_t round_up(std::size_t size, std::size_t to) noexcept {
    return (size + to - 1) / to * to;
  }
  static void* take(std::size_t size) {
    auto& lists = *detail::this_thread_pool;
    const std::size_t c = size / detail::pool_lists::granule;
    if (c < detail::pool_lists::classes) [[likely]] {
      if (auto* block = lists.head[c]) [[likely]] {
        lists.head[c] = block->next;
        return block;
      }
    }
    return detail::pool_refill(size);
  }
  static void give(void* memory, std::size_t size) noexcept {
    auto& lists = *detail::this_thread_pool;
    const std::size_t c = size / detail::pool_lists::granule;
    if (c >= detail::pool_lists::classes || lists.bypass) [[unlikely]] {
      return detail::pool_return(memory, size);
    }
    auto* block = static_cast<detail::pool_block*>(memory);
    block->next = lists.head[c];
    lists.head[c] = block;
  }
};

/// Base of what is allocated from the frame pool by plain `new` and `delete`. Over-aligned
/// types go to the system's.
struct pooled {
  static void* operator new(std::size_t size) {
    return frame_pool::allocate_object(size);
  }
  static void* operator new(std::size_t, void* place) noexcept { return place; }
  static void* operator new(std::size_t size, std::align_val_t at) {
    return ::operator new(size, at);
  }
  static void operator delete(void* p, std::size_t size) noexcept {
    frame_pool::deallocate_object(p, size);
  }
  static void operator delete(void* p, std::size_t size, std::align_val_t at) noexcept {
    ::operator delete(p, size, at);
  }
};

}  // namespace sheaf::runtime
