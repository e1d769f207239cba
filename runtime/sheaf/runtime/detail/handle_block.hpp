#pragma once

#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/scheduler.hpp>

#include <exception>
#include <memory>
#include <utility>

namespace sheaf::runtime::detail {

/// The heap block that a libuv handle and its callbacks live in.
///
/// Two own it: the C++ object (the wrapper, while it lives) and libuv (until the close
/// callback). Whoever lets go last frees it. dispose() is the wrapper's destructor: from then
/// on no callback is called, and the callables die at once, or when the one that is running
/// has returned. A loop that closes first closes its handles; their wrappers then are empty.
class handle_block : public handle_link {
 public:
  handle_block(const handle_block&) = delete;
  handle_block& operator=(const handle_block&) = delete;

  scheduler* owner() const noexcept { return owner_; }
  bool open() const noexcept { return owner_ != nullptr; }

  void dispose() noexcept {
    held_ = false;
    close();
    if (closed_) delete this;
  }

  void close() noexcept override {
    if (!owner_) return;
    unlink();
    std::exchange(owner_, nullptr)->release();
    uv_close(raw(), [](uv_handle_t* h) { static_cast<handle_block*>(h->data)->on_closed(); });
    if (!running_) silence();
  }

  /// Calls `f` as a callback of the handle: with the loop current, errors to its handler.
  template <class F>
  void call(const char* what, F&& f) noexcept {
    if (!owner_) return;
    scheduler& s = *owner_;
    s.retain();
    running_ = true;
    {
      const current_scope now_running(s);
      try {
        f();
      } catch (...) {
        s.fail(what, std::current_exception());
      }
    }
    running_ = false;
    if (!owner_) silence();
    s.release();
  }

 protected:
  explicit handle_block(scheduler& s) noexcept : owner_(&s) {}
  virtual ~handle_block() = default;

  virtual uv_handle_t* raw() noexcept = 0;
  /// Destroys the callables.
  virtual void silence() noexcept = 0;

  /// After uv_*_init: registers with the loop. If the init failed nothing is to be closed.
  void opened(int code, const char* operation) {
    check(code, operation);
    raw()->data = this;
    owner_->retain();
    owner_->add(*this);
  }

 private:
  void on_closed() noexcept {
    closed_ = true;
    if (!held_) delete this;
  }

  scheduler* owner_;      // null once closing
  bool held_ = true;      // by its wrapper
  bool closed_ = false;   // the close callback has run
  bool running_ = false;  // one of its callables is being called
};

template <class Block>
struct block_deleter {
  void operator()(Block* b) const noexcept { b->dispose(); }
};

}  // namespace sheaf::runtime::detail
