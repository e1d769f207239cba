#pragma once

#include <sheaf/runtime/detail/callback.hpp>
#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/handle.hpp>
#include <sheaf/runtime/scheduler.hpp>

#include <string>
#include <utility>

namespace sheaf::runtime::detail {

/// The heap block that a libuv handle and its callbacks live in.
///
/// Two own it: the C++ object (the wrapper, while it lives) and libuv (until the close
/// callback). Whoever lets go last frees it. dispose() is the wrapper's destructor: from then
/// on no callback is called, and the callables die at once, or when the one that is running
/// has returned. A loop that closes first closes its handles; their wrappers then are empty.
///
/// A kind of handle derives from it: its constructor ends with opened(uv_NAME_init(...)), its
/// libuv callbacks end in call().
class handle_block : public handle_link {
 public:
  handle_block(const handle_block&) = delete;
  handle_block& operator=(const handle_block&) = delete;

  bool open() const noexcept { return owner_ != nullptr; }
  /// The loop's; throws invalid_state once that is closed, or this is, and in debug mode where
  /// another thread runs it. `what` is the call that was made.
  scheduler& owner(const char* what) const {
    if (!owner_) throw invalid_state(std::string(what) + ": the handle is closed");
    owner_->require_thread(what);
    owner_->touched();
    return *owner_;
  }

  virtual uv_handle_t* raw() noexcept = 0;

  void dispose() noexcept {
    held_ = false;
    let_go();
    free_if_unused();
  }

  /// The block of a wrapper.
  static handle_block& of_handle(const handle& h) noexcept { return h.block(); }

  /// Keeps the memory beyond the close: a write that passes the handle on still looks at it.
  void pin() noexcept { ++pins_; }
  void unpin() noexcept {
    --pins_;
    free_if_unused();
  }

  void close() noexcept override {
    if (!owner_) return;
    close_with([](uv_handle_t* h, uv_close_cb closed) { return uv_close(h, closed), 0; });
  }

 protected:
  /// Throws invalid_state if the loop is closed.
  handle_block(scheduler& s, const char* what) : owner_(&s) { s.require_open(what); }
  virtual ~handle_block() = default;

  /// Closes by `f(handle, callback)`; nothing happens if that gives an error.
  template <class F>
  void close_with(F&& f) {
    if (f(raw(), [](uv_handle_t* h) { of(h).on_closed(); }) < 0) return;
    unlink();
    scheduler& s = *std::exchange(owner_, nullptr);
    closing_on_ = &s;  // keeps the reference until the close callback
    s.closing_handle(+1);
    // The callables may own what they like: this very wrapper, others, a last future.
    if (!running_) silence();
  }

  /// The wrapper is gone. A kind that has something to see to first closes later.
  virtual void let_go() noexcept { close(); }

  /// Destroys the callables.
  virtual void silence() noexcept = 0;

  /// After uv_*_init: registers with the loop. If the init failed nothing is to be closed.
  void opened(int code, const char* operation) {
    checked(code, operation);
    raw()->data = this;
    owner_->retain();
    owner_->add(*this);
  }

  /// Calls `f` as a callback of the handle: with the loop current, errors to its handler.
  template <class F>
  void call(const char* what, F&& f) noexcept {
    if (!owner_) return;
    scheduler& s = *owner_;
    s.retain();
    running_ = true;
    call_on(s, what, std::forward<F>(f));
    running_ = false;
    if (!owner_) silence();
    s.release();
  }

  bool running() const noexcept { return running_; }

  /// The block of a handle; Block is the kind that made it.
  template <class Block = handle_block, class Handle>
  static Block& of(Handle* h) noexcept {
    return *static_cast<Block*>(static_cast<handle_block*>(h->data));
  }

 private:
  void on_closed() noexcept {
    closed_ = true;
    scheduler& s = *std::exchange(closing_on_, nullptr);
    s.closing_handle(-1);
    free_if_unused();
    s.release();
  }

  void free_if_unused() noexcept {
    if (closed_ && !held_ && pins_ == 0) delete this;
  }

  scheduler* owner_;                 // null once closing
  scheduler* closing_on_ = nullptr;  // from close() to the close callback
  int pins_ = 0;                     // requests of other handles that refer to it
  bool held_ = true;                 // by its wrapper
  bool closed_ = false;              // the close callback has run
  bool running_ = false;             // one of its callables is being called
};

/// `f`, which must hold something: an empty callback would be found out only when called.
template <class F>
F callable(F f, const char* what) {
  if (!f) throw invalid_state(std::string(what) + ": the callback is empty");
  return f;
}

}  // namespace sheaf::runtime::detail
