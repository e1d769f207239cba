#pragma once

#include <sheaf/runtime/detail/handle_block.hpp>
#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>
#include <sheaf/runtime/ready_queue.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <cstdint>
#include <memory>
#include <unordered_map>

namespace sheaf::runtime::detail {

/// One callback of a descriptor: a node that is queued whenever the descriptor is ready.
///
/// Counted: its watch holds it until it is removed, the ready queue while it stands there.
class ready_callback final : public ready_node {
 public:
  ready_callback(scheduler& s, const char* name, unique_function<void()> f)
      : owner_(s), name_(name), f_(std::move(f)) {}

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) delete this;
  }

  void queue() noexcept;
  /// It is not called again; what it holds is destroyed, when it has returned if it runs.
  void cancel() noexcept;

  void run() noexcept override;
  void drop() noexcept override;

 private:
  ~ready_callback() = default;

  scheduler& owner_;  // valid while the node is queued or its watch is open
  const char* const name_;
  unique_function<void()> f_;
  std::uint32_t references_ = 1;
  bool queued_ = false;
  bool running_ = false;
  bool cancelled_ = false;
};

/// The uv_poll_t of a descriptor, with its reader and its writer: libuv allows only one.
class descriptor_watch final : public handle_block {
 public:
  descriptor_watch(scheduler& s, int descriptor);

  enum side { reader, writer };
  /// In place of the one before, whose callback is cancelled.
  void set(side which, unique_function<void()> f);
  /// False if there was none.
  bool remove(side which) noexcept;
  bool unused() const noexcept { return !callbacks_[reader] && !callbacks_[writer]; }

  uv_handle_t* raw() noexcept override { return reinterpret_cast<uv_handle_t*>(&uv_); }

 private:
  static void on_ready(uv_poll_t* h, int status, int events);
  int update() noexcept;
  void silence() noexcept override;

  uv_poll_t uv_;
  intrusive_ptr<ready_callback> callbacks_[2];
};

/// The watched descriptors of a loop.
class descriptor_table {
 public:
  explicit descriptor_table(scheduler& s) noexcept : scheduler_(s) {}

  void add(int descriptor, descriptor_watch::side which, unique_function<void()> f);
  bool remove(int descriptor, descriptor_watch::side which) noexcept;

 private:
  using watch = std::unique_ptr<descriptor_watch, block_deleter>;

  scheduler& scheduler_;
  std::unordered_map<int, watch> watches_;
};

}  // namespace sheaf::runtime::detail
