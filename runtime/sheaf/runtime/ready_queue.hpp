#pragma once

#include <cstddef>
#include <utility>

namespace sheaf::runtime {

/// What can wait for its turn in the ready queue: a task's next step, a callback, a timer.
///
/// Whoever queues a node keeps it alive until run() is called. A node is in the queue at
/// most once at a time.
class ready_node {
 public:
  ready_node(const ready_node&) = delete;
  ready_node& operator=(const ready_node&) = delete;

  /// Called once for each time the node was queued; the node may die in it.
  virtual void run() noexcept = 0;

  /// Called in place of run() when the loop closes, or is closed, with the node queued.
  virtual void drop() noexcept {}

 protected:
  ready_node() = default;
  ~ready_node() = default;

 private:
  friend class ready_queue;
  friend class timer_node;
  friend class timing_wheel;
  ready_node* next_ = nullptr;  // in the queue; a timer_node's neighbour while in the wheel
};

/// First in, first out; intrusive, so queueing allocates nothing and cannot fail.
class ready_queue {
 public:
  ready_queue() = default;
  ready_queue(const ready_queue&) = delete;
  ready_queue& operator=(const ready_queue&) = delete;

  bool empty() const noexcept { return head_ == nullptr; }

  void push(ready_node& n) noexcept {
    n.next_ = nullptr;
    *tail_ = &n;
    tail_ = &n.next_;
  }

  /// Takes everything that is ready now: one batch. What is pushed later is the next one.
  ready_node* take_all() noexcept {
    tail_ = &head_;
    return std::exchange(head_, nullptr);
  }

  /// Takes the first; null if there is none.
  ready_node* pop() noexcept {
    ready_node* const first = head_;
    if (first && !(head_ = first->next_)) tail_ = &head_;
    return first;
  }

  /// Puts the rest of a batch back before all that was pushed since.
  void put_back(ready_node* batch) noexcept {
    if (!batch) return;
    ready_node* last = batch;
    while (last->next_) last = last->next_;
    last->next_ = head_;
    if (!head_) tail_ = &last->next_;
    head_ = batch;
  }

  static ready_node* next(ready_node& n) noexcept { return n.next_; }

 private:
  ready_node* head_ = nullptr;
  ready_node** tail_ = &head_;
};

}  // namespace sheaf::runtime
