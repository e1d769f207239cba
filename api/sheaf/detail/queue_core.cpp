#include <sheaf/detail/queue_core.hpp>
#include <sheaf/queue.hpp>

#include <algorithm>

namespace sheaf {

queue_shut_down::queue_shut_down() : runtime_error("the queue is shut down") {}
queue_empty::queue_empty() : runtime_error("the queue is empty") {}
queue_full::queue_full() : runtime_error("the queue is full") {}

namespace detail {

void queue_core::refuse_get() const {
  if (shut_down_) throw queue_shut_down();
  throw queue_empty();
}

void queue_core::refuse_put() const {
  if (shut_down_) throw queue_shut_down();
  throw queue_full();
}

void queue_core::task_done() {
  require_thread("queue::task_done");
  if (unfinished_ == 0) {
    throw invalid_state(
        "queue::task_done: called more often than items were put; call it once for each "
        "item that was got");
  }
  if (--unfinished_ == 0) finished_.raise();
}

// All that wait look again; who came for an item or for room finds none.
void queue_core::close(bool dropped) noexcept {
  shut_down_ = true;
  if (dropped) {
    unfinished_ -= std::min(unfinished_, std::exchange(size_, 0));
    if (unfinished_ == 0) finished_.raise();
  }
  while (getters_.anyone_waiting()) wake_first<queue_side::get>();
  while (putters_.anyone_waiting()) wake_first<queue_side::put>();
}

}  // namespace detail
}  // namespace sheaf
