#pragma once

#include <sheaf/detail/queue_core.hpp>
#include <sheaf/detail/ring.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace sheaf {

/// What put() throws once a queue is shut down, and get() once it is empty as well.
class queue_shut_down : public std::runtime_error {
 public:
  queue_shut_down();
};
/// What get_nowait() throws of an empty queue.
class queue_empty : public std::runtime_error {
 public:
  queue_empty();
};
/// What put_nowait() throws of a full queue.
class queue_full : public std::runtime_error {
 public:
  queue_full();
};

namespace detail {

template <class Queue>
class get_wait final : public queue_wait<queue_side::get> {
 public:
  explicit get_wait(Queue& q) noexcept : queue_wait(q) {}

  // If the item cannot be moved out, the turn goes to the next.
  typename Queue::value_type await_resume() {
    if (!task()) return queue().get_now();
    require_turn();
    typename Queue::value_type item = queue().get_now();
    taken();
    return item;
  }

 private:
  Queue& queue() const noexcept { return static_cast<Queue&>(core()); }
};

template <class Queue>
class put_wait final : public queue_wait<queue_side::put> {
 public:
  put_wait(put_wait&&) = default;
  template <class... Args>
  explicit put_wait(Queue& q, Args&&... args)
      : queue_wait(q), item_(std::forward<Args>(args)...) {}

  void await_resume() {
    if (!task()) return queue().put_now(std::move(item_));
    require_turn();
    queue().put_now(std::move(item_));
    taken();
  }

 private:
  Queue& queue() const noexcept { return static_cast<Queue&>(core()); }
  typename Queue::value_type item_;
};

/// A queue of T, where Items knows which one is next: push(), next(), pop(), clear().
template <class T, class Items>
class queue_of : public queue_core {
 private:
  Items items_;

  template <class Queue>
  friend class get_wait;
  template <class Queue>
  friend class put_wait;

  template <class... Args>
  void put_now(Args&&... args) {
    require_room();
    items_.push(std::forward<Args>(args)...);
    was_put();
  }
  T get_now() {
    require_item();
    T item = std::move(items_.next());
    items_.pop();
    was_got();
    return item;
  }

 public:
  using value_type = T;

  /// co_await q.put(item), or put(args...), which makes the item of them: waits for room.
  /// The item is the queue's when it returns; it dies if that ends in an exception:
  /// queue_shut_down, `cancelled`, invalid_state on another loop.
  ///
  /// Prefer put(args...) for a struct without constructors: g++ 12 destroys a temporary
  /// aggregate inside co_await twice.
  [[nodiscard]] put_wait<queue_of> put(T&& item) {
    return put_wait<queue_of>(*this, std::move(item));
  }
  template <class... Args>
    requires std::is_constructible_v<T, Args...>
  [[nodiscard]] put_wait<queue_of> put(Args&&... args) {
    return put_wait<queue_of>(*this, std::forward<Args>(args)...);
  }

  /// T x = co_await q.get(): waits for an item. Throws queue_shut_down where there is none
  /// and none will come, `cancelled`, and invalid_state on another loop.
  [[nodiscard]] get_wait<queue_of> get() noexcept { return get_wait<queue_of>(*this); }

  /// Without waiting. Throws queue_full, or queue_shut_down.
  void put_nowait(T&& item) {
    this->require_thread("queue::put_nowait");
    put_now(std::move(item));
  }
  template <class... Args>
    requires std::is_constructible_v<T, Args...>
  void put_nowait(Args&&... args) {
    this->require_thread("queue::put_nowait");
    put_now(std::forward<Args>(args)...);
  }
  /// Without waiting. Throws queue_empty, or queue_shut_down if it is that as well.
  T get_nowait() {
    this->require_thread("queue::get_nowait");
    return get_now();
  }

  /// From now on put() throws queue_shut_down, and get() does when nothing is left.
  /// `immediate` drops what is left, and counts it as done. Those who wait get the error.
  void shutdown(bool immediate = false) {
    this->require_thread("queue::shutdown");
    decltype(items_.take_all()) dropped;
    if (immediate) dropped = items_.take_all();
    close(immediate);
  }

 protected:
  template <std::integral N>
  explicit queue_of(N maxsize, Items items = {})
      : queue_core(maxsize), items_(std::move(items)) {}
  ~queue_of() = default;
};

template <class T>
class first_in_items : public ring<T> {
 public:
  template <class... Args>
  void push(Args&&... args) {
    this->push_back(std::forward<Args>(args)...);
  }
  T& next() noexcept { return this->front(); }
  void pop() noexcept { this->pop_front(); }
};

template <class T>
class last_in_items : public ring<T> {
 public:
  template <class... Args>
  void push(Args&&... args) {
    this->push_back(std::forward<Args>(args)...);
  }
  T& next() noexcept { return this->back(); }
  void pop() noexcept { this->pop_back(); }
};

/// A heap whose smallest is the next one.
template <class T, class Compare>
class smallest_items {
 public:
  smallest_items() = default;
  explicit smallest_items(Compare less) : less_(std::move(less)) {}

  template <class... Args>
  void push(Args&&... args) {
    heap_.emplace_back(std::forward<Args>(args)...);
    std::push_heap(heap_.begin(), heap_.end(), after());
  }
  // The top is brought to the end first, where it can be taken from.
  T& next() {
    std::pop_heap(heap_.begin(), heap_.end(), after());
    return heap_.back();
  }
  void pop() noexcept { heap_.pop_back(); }
  std::vector<T> take_all() noexcept { return std::exchange(heap_, {}); }

 private:
  auto after() {
    return [this](const T& a, const T& b) { return less_(b, a); };
  }
  std::vector<T> heap_;
  [[no_unique_address]] Compare less_;
};

}  // namespace detail

/// Hands items from tasks to tasks: asyncio's Queue. First in, first out.
///
/// `maxsize` items fit; 0 or less is without bound, so that put() never waits and nothing
/// slows a producer down. Must outlive those who use it; destroyed while tasks wait, each of
/// them gets invalid_state.
///
/// Order: a put wakes the one who has waited longest for an item, a get the one who has
/// waited longest for room, through the ready queue. The woken one takes what is first when
/// it runs; if others were faster, who did not wait, it waits again, at the end of the line.
/// One that is cancelled leaves, and passes its turn on if it had one: no item is lost.
///
/// Thread: its loop's; from another, loop.call_soon_threadsafe([&] { q.put_nowait(x); }).
/// Cost: get and put allocate nothing, but for memory when there are more items than ever
/// before, and take no turn of the loop if they need not wait. Source: asyncio.Queue of
/// CPython 3.13.
template <class T>
class queue final : public detail::queue_of<T, detail::first_in_items<T>> {
 public:
  template <std::integral N>
  explicit queue(N maxsize) : queue::queue_of(maxsize) {}
};

/// The same, and the newest item is the next: asyncio's LifoQueue.
template <class T>
class lifo_queue final : public detail::queue_of<T, detail::last_in_items<T>> {
 public:
  template <std::integral N>
  explicit lifo_queue(N maxsize) : lifo_queue::queue_of(maxsize) {}
};

/// The same, and the smallest item is the next: asyncio's PriorityQueue. Among equals there
/// is no order.
template <class T, class Compare = std::less<T>>
class priority_queue final
    : public detail::queue_of<T, detail::smallest_items<T, Compare>> {
 public:
  template <std::integral N>
  explicit priority_queue(N maxsize, Compare less = {})
      : priority_queue::queue_of(maxsize,
                                 detail::smallest_items<T, Compare>(std::move(less))) {}
};

}  // namespace sheaf
