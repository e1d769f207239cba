#pragma once

#include <sheaf/detail/waiter_queue.hpp>
#include <sheaf/event.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace sheaf::detail {

class queue_core;

/// Waits until every item is dealt with.
class join_wait final : public event_wait {
 public:
  using event_wait::event_wait;
  const char* kind() const noexcept final { return "queue.join"; }
};

enum class queue_side : std::uint8_t { get, put };

/// Waits for an item, or for room. Woken, it stands in the ready queue in its task's place:
/// if others were faster it waits again, and the task is not bothered.
template <queue_side Side>
class queue_wait : public waiter, public runtime::ready_node {
 public:
  // Not here but where the task is known, and with it its loop.
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    return begin(*h.promise().task());
  }

  inline void run() noexcept final;
  void prefetch() const noexcept final { task()->prefetch_state(); }
  void post() noexcept final { task()->wake_through(*this); }
  const char* kind() const noexcept final {
    return Side == queue_side::get ? "queue.get" : "queue.put";
  }

 protected:
  explicit queue_wait(queue_core& q) noexcept : core_(q) {}
  queue_wait(queue_wait&& other) noexcept : queue_wait(other.core_) {}
  inline ~queue_wait();
  queue_core& core() const noexcept { return core_; }

 private:
  inline bool begin(task_state& t) noexcept;
  inline waiter_line& line() const noexcept;

  queue_core& core_;
};

/// All of a queue that does not depend on its items: how many there are, who waits, and how
/// much is unfinished.
class queue_core {
 public:
  queue_core(const queue_core&) = delete;
  queue_core& operator=(const queue_core&) = delete;

  /// How many items are in it.
  std::size_t qsize() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  bool full() const noexcept { return size_ >= room_; }
  /// How many it takes; 0 if there is no bound.
  std::size_t maxsize() const noexcept { return room_ == unbounded ? 0 : room_; }

  /// An item that was got has been dealt with. Throws invalid_state if it is called more
  /// often than items were put.
  void task_done();
  /// co_await q.join(): waits until task_done() was called as often as items were put.
  [[nodiscard]] join_wait join() noexcept { return join_wait(finished_); }

 protected:
  template <std::integral N>
  explicit queue_core(N maxsize) noexcept
      : room_(maxsize > 0 ? static_cast<std::size_t>(maxsize) : unbounded) {
    finished_.raise();
  }
  ~queue_core() {
    getters_.forsake();
    putters_.forsake();
  }

  /// What the calls that do not wait begin with; who awaits is on the loop's thread.
  void require_thread(const char* what) const { getters_.require_thread(what); }
  void require_item() const {
    if (size_ == 0) [[unlikely]]
      refuse_get();
  }
  void require_room() const {
    if (shut_down_ || full()) [[unlikely]]
      refuse_put();
  }
  /// One item more; one item less.
  void was_put() noexcept {
    ++size_;
    if (unfinished_++ == 0) finished_.clear();
    wake_first<queue_side::get>();
  }
  void was_got() noexcept {
    --size_;
    wake_first<queue_side::put>();
  }
  /// From now on nothing is put. What was in it has been taken out if `dropped`.
  void close(bool dropped) noexcept;

 private:
  static constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();
  template <queue_side>
  friend class queue_wait;

  [[noreturn]] void refuse_get() const;
  [[noreturn]] void refuse_put() const;

  template <queue_side Side>
  waiter_line& line() noexcept {
    if constexpr (Side == queue_side::get) {
      return getters_;
    } else {
      return putters_;
    }
  }
  template <queue_side Side>
  bool ready() const noexcept {
    return shut_down_ || (Side == queue_side::get ? !empty() : !full());
  }
  template <queue_side Side>
  void wake_first() noexcept {
    if (!line<Side>().anyone_waiting()) return;
    auto& w = static_cast<queue_wait<Side>&>(line<Side>().first_waiting());
    line<Side>().mark_woken(w);
    w.post();
  }

  std::size_t size_ = 0;
  std::size_t room_;
  std::size_t unfinished_ = 0;
  bool shut_down_ = false;
  waiter_queue getters_;  // for both, as to whose loop it is
  waiter_line putters_;
  event finished_;
};

template <queue_side Side>
waiter_line& queue_wait<Side>::line() const noexcept {
  return core_.line<Side>();
}

// False if it need not wait, or must not.
template <queue_side Side>
bool queue_wait<Side>::begin(task_state& t) noexcept {
  if (!core_.getters_.admits(*this, t) || core_.ready<Side>()) return false;
  line().append(*this, t);
  return true;
}

// A request that came meanwhile is delivered, and the turn passed on.
template <queue_side Side>
void queue_wait<Side>::run() noexcept {
  if (this->woken() && !core_.ready<Side>() && !this->task()->must_cancel()) [[unlikely]]
    return line().wait_again(*this);
  this->task()->run();
}

template <queue_side Side>
queue_wait<Side>::~queue_wait() {
  if (this->leave() && core_.ready<Side>()) [[unlikely]]
    core_.wake_first<Side>();
}

}  // namespace sheaf::detail
