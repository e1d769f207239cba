#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace sheaf::runtime {

class ready_node;

/// Decides in which order the nodes of one batch of the ready queue run.
///
/// A loop without one runs them first in, first out. Order across batches is not its to
/// change: what a step queues runs in a later batch, whatever the schedule. Owned by the
/// scheduler, called on its thread, once for each batch of two nodes or more.
class schedule {
 public:
  schedule() = default;
  schedule(const schedule&) = delete;
  schedule& operator=(const schedule&) = delete;
  virtual ~schedule() = default;

  /// Permutes the batch in place. The nodes are not to be touched.
  virtual void arrange(std::span<ready_node*> batch) noexcept = 0;

  /// The loop has run its last batch. May throw, where there is something to say of the run.
  virtual void finish() {}
};

/// Shuffles each batch, every permutation as likely as the next. Equal seeds give equal
/// orders, on every machine and with every standard library.
std::unique_ptr<schedule> make_seeded_schedule(std::uint64_t seed);

}  // namespace sheaf::runtime
