#pragma once

#include <cstddef>
#include <vector>

namespace sheaf::runtime {

class schedule;

/// What can wait for its turn in the ready queue: a task's next step, a callback, a timer.
///
/// Whoever queues a node keeps it alive until run() or drop() is called. A node is in the
/// queue at most once at a time.
class ready_node {
 public:
  ready_node(const ready_node&) = delete;
  ready_node& operator=(const ready_node&) = delete;

  /// Called once for each time the node was queued; the node may die in it.
  virtual void run() noexcept = 0;

  /// Called in place of run() when the loop closes, or is closed, with the node queued.
  virtual void drop() noexcept {}

  /// Asks the processor for the memory that run() will touch, a few turns ahead of it.
  virtual void prefetch() const noexcept {}

 protected:
  ready_node() = default;
  ~ready_node() = default;
};

/// First in, first out: blocks of pointers from the frame pool.
///
/// Pointers and not a list through the nodes: with a million tasks the nodes are in no
/// cache, and an array tells in advance which come next. Cost: a push is a store, and a
/// pooled block for 127 nodes. Out of memory ends the program, since who queues a node can
/// do nothing else.
class ready_queue {
 public:
  ready_queue() = default;
  ready_queue(const ready_queue&) = delete;
  ready_queue& operator=(const ready_queue&) = delete;
  ~ready_queue();

  bool empty() const noexcept { return head_ == tail_; }
  /// How many are queued; counted, a block at a time.
  std::size_t size() const noexcept;

  void push(ready_node& n) noexcept {
    if (tail_ == tail_end_) [[unlikely]]
      add_block();
    *tail_++ = &n;
  }

  /// The first, taken out; null if there is none.
  ready_node* pop() noexcept {
    if (empty()) return nullptr;
    if (head_ == head_end_) next_block();
    return *head_++;
  }

  /// Runs one batch, which is what is queued now; stops after the node that sets `leave`,
  /// with the rest still queued. Gives how many ran.
  std::size_t run_batch(const bool& leave) noexcept {
    if (in_far_memory()) [[unlikely]]
      return run_far_batch(leave);
    std::size_t ran = 0;
    in_batch_ = true;
    for (ready_node** const end = tail_; head_ != end;) {
      if (head_ == head_end_) [[unlikely]]
        next_block();
      ++ran;
      (*head_++)->run();
      if (leave) [[unlikely]] {
        note_cut_off(end);
        break;
      }
    }
    in_batch_ = false;
    return ran;
  }

  /// Brings what is queued into the order that `by` gives it. What is left of a batch that was
  /// cut off stays ahead of what that batch has queued: it is a batch by itself.
  void arrange(schedule& by);
  /// What was arranged is not run now.
  void put_off() noexcept { note_cut_off(tail_); }

  /// Nothing runs in the place of `n`, if it is queued: it dies. First in, first out a node is
  /// run before what would destroy it; only a schedule makes this necessary, and only it pays,
  /// with a look at all that is queued.
  void forget(const ready_node& n) noexcept;

 private:
  static constexpr std::size_t room = 127;
  struct block {
    block* next;
    ready_node* nodes[room];
  };

  // Eight thousand nodes with what they touch are more than a core's caches hold.
  bool in_far_memory() const noexcept { return blocks_ > 64; }
  std::size_t run_far_batch(const bool& leave) noexcept;
  void add_block() noexcept;
  void next_block() noexcept;
  void note_cut_off(ready_node** end) noexcept;
  /// Calls `f` with each place from the first to `end`.
  template <class F>
  void for_each_until(ready_node** end, F f) noexcept;

  // Invariant: head_ and tail_ are equal only when nothing is queued. They start without a
  // block; the last one is kept, so a queue that runs empty allocates nothing.
  ready_node** head_ = nullptr;
  ready_node** head_end_ = nullptr;
  ready_node** tail_ = nullptr;
  ready_node** tail_end_ = nullptr;
  block* first_ = nullptr;
  block* last_ = nullptr;
  std::size_t blocks_ = 0;
  std::vector<ready_node*> arranged_;  // scratch of arrange
  std::vector<std::size_t> parts_;     // of what was arranged last: which do not mix
  bool cut_off_ = false;               // there is something left of it
  bool in_batch_ = false;  // its end is a place in a block, which must stay where it is
};

}  // namespace sheaf::runtime
