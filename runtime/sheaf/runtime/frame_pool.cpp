#include <sheaf/runtime/frame_pool.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

// Present only in a process that runs under the sanitizer, whoever was built with it.
extern "C" __attribute__((weak)) void __asan_init();

namespace sheaf::runtime::detail {

namespace {

constinit pool_lists no_lists{{}, true, {}, {}};    // before a thread's first use
constinit pool_lists dead_lists{{}, true, {}, {}};  // after its last

bool pool_is_off() {
  static const bool off = [] {
    const char* const wish = std::getenv("SHEAF_POOL");
    return &__asan_init != nullptr || (wish && std::strcmp(wish, "off") == 0);
  }();
  return off;
}

/// Lists of threads that have ended, for those to come. Never freed: a block of an ended
/// thread may still hold a frame that another thread runs.
struct reservoir {
  std::mutex lock;
  std::vector<pool_block*> lists[pool_lists::classes];

  static reservoir& shared() {
    static auto* const r = new reservoir;  // outlives every thread's destructors
    return *r;
  }

  pool_block* take(std::size_t c) {
    const std::lock_guard hold(lock);
    if (lists[c].empty()) return nullptr;
    pool_block* const list = lists[c].back();
    lists[c].pop_back();
    return list;
  }

  void put(pool_block* list, std::size_t c) {
    const std::lock_guard hold(lock);
    lists[c].push_back(list);
  }
};

/// The lists of a thread and the chunk that new blocks are cut from.
struct thread_pool_owner {
  static constexpr std::size_t chunk = 256 * 1024;
  // Cut at once: little, so that memory is touched late, and so that a task's frame and its
  // state, which are of two sizes, come to stand on the same page.
  static constexpr std::size_t slice = 1024;

  pool_lists lists{};
  char* at = nullptr;
  char* end = nullptr;
  // What there was at the last share(); in use again as soon as the list runs empty. What is
  // still here at the next one nobody has needed in between.
  pool_block* spare[pool_lists::classes]{};

  thread_pool_owner() {
    lists.bypass = pool_is_off();
    this_thread_pool = &lists;
  }
  ~thread_pool_owner() {
    this_thread_pool = &dead_lists;
    for (std::size_t c = 0; c < pool_lists::classes; ++c) {
      if (lists.head[c]) reservoir::shared().put(lists.head[c], c);
      if (lists.foreign[c]) reservoir::shared().put(lists.foreign[c], c);
      if (spare[c]) reservoir::shared().put(spare[c], c);
    }
  }

  void* cut(std::size_t c) {
    // No bytes are a block too: that of an array of nothing.
    const std::size_t size = std::max<std::size_t>(c, 1) * pool_lists::granule;
    if (static_cast<std::size_t>(end - at) < size) new_chunk();
    const auto room = static_cast<std::size_t>(end - at);
    const std::size_t n = std::min(room, std::max(size, slice)) / size;
    char* const first = at;
    at += (n * size + 15) / 16 * 16;
    for (std::size_t i = n; i-- > 1;) push(first + i * size, c);
    return first;
  }

  void share() {
    for (std::size_t c = 1; c < pool_lists::classes; ++c) {
      if (spare[c]) reservoir::shared().put(spare[c], c);
      spare[c] = std::exchange(lists.head[c], nullptr);
    }
  }

  void new_chunk() {
    at = static_cast<char*>(::operator new(chunk));
    end = at + chunk;
  }

  void push(char* memory, std::size_t c) {
    auto* block = ::new (memory) pool_block{lists.head[c]};
    lists.head[c] = block;
  }
};

// On the heap: thread locals of a library that a program loads when it runs already, such as an
// addon of Node's, share some hundred bytes with all others (examples/node-addon fails to load).
thread_pool_owner& this_thread() {
  static thread_local const auto owner = std::make_unique<thread_pool_owner>();
  return *owner;
}

}  // namespace

constinit thread_local pool_lists* this_thread_pool = &no_lists;

// Blocks of a size that is a multiple of 16 are aligned to 16: chunks are, and `at` is kept so.
void* pool_refill(std::size_t size) {
  const std::size_t c = size / pool_lists::granule;
  if (c >= pool_lists::classes || pool_is_off()) return ::operator new(size);
  if (this_thread_pool == &dead_lists) return ::operator new(size);
  auto& owner = this_thread();
  auto* found = std::exchange(owner.spare[c], nullptr);
  if (!found) found = reservoir::shared().take(c);
  if (found) {
    owner.lists.head[c] = found->next;
    return found;
  }
  return owner.cut(c);
}

void pool_return(void* memory, std::size_t size) noexcept {
  const std::size_t c = size / pool_lists::granule;
  if (c >= pool_lists::classes || pool_is_off()) return ::operator delete(memory);
  reservoir::shared().put(::new (memory) pool_block{nullptr}, c);
}

void pool_return_foreign(std::size_t c) noexcept {
  pool_lists& lists = this_thread().lists;
  reservoir::shared().put(std::exchange(lists.foreign[c], nullptr), c);
  lists.foreign_size[c] = 0;
}

void pool_share() noexcept {
  if (!this_thread_pool->bypass) this_thread().share();
}

}  // namespace sheaf::runtime::detail
