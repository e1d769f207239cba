#pragma once

#include <sheaf/runtime/detail/callback.hpp>
#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/error.hpp>
#include <sheaf/runtime/request.hpp>
#include <sheaf/runtime/scheduler.hpp>
#include <sheaf/runtime/thread_census.hpp>

#include <memory>
#include <utility>

namespace sheaf::runtime::detail {

/// The heap block of a libuv request that belongs to no handle: what it points to, and its
/// callback.
///
/// Two own it: the C++ object (a `request`, while it lives) and libuv (from submit() until
/// its callback). Whoever lets go last frees it. A loop that closes cancels what it can and
/// waits for the rest, so that nothing of it is used after.
///
/// A kind of request derives from it: what makes it ends in submitted(), its libuv callback
/// in finish().
class request_block : public handle_link {
 public:
  request_block(const request_block&) = delete;
  request_block& operator=(const request_block&) = delete;

  virtual ~request_block() = default;

  /// After uv_NAME(...): libuv has the request now, unless `code` says that it refused.
  static request submitted(std::unique_ptr<request_block> self, int code,
                           const char* operation) {
    if (code < 0) self->owner_ = nullptr;
    checked(code, operation);
    count_libuv_threads();
    self->owner_->retain();
    self->owner_->add(*self);
    return request(self.release());
  }

  bool pending() const noexcept { return owner_ != nullptr; }
  virtual uv_req_t* raw() noexcept = 0;

  /// Asks libuv to drop it: works only until a thread has begun with it. Once: asked again
  /// while it gives the request back, libuv would do so a second time (threadpool.c).
  bool cancel() noexcept {
    if (!pending()) return false;
    if (!cancelled_ && uv_cancel(raw()) == 0) {
      cancelled_ = true;
      dropped();
    }
    return cancelled_;
  }

  /// Whether the callback is no longer to be called, so that nobody takes the answer.
  bool silenced() const noexcept { return silenced_; }

  /// Nothing if libuv has given it back.
  void keep(std::shared_ptr<const void> what) noexcept {
    if (pending()) kept_ = std::move(what);
  }

  /// The wrapper's destructor: from here on the callback is not called.
  void dispose() noexcept {
    if (pending()) {
      silenced_ = true;
      silence();
      cancel();
    }
    detach();
  }

  /// The wrapper gives it up, and libuv alone owns it.
  void detach() noexcept {
    held_ = false;
    if (!pending() && !running_) delete this;
  }

  // With the loop.
  void close() noexcept override {
    unlink();
    closing_ = silenced_ = true;
    owner_->closing_handle(+1);
    silence();
    cancel();
  }

 protected:
  request_block(scheduler& s, const char* what) : owner_(&s) { s.require_open(what); }

  /// Destroys the callable.
  virtual void silence() noexcept = 0;

  /// No thread will begin with it; the callback is still to come.
  virtual void dropped() noexcept {}

  /// In libuv's callback: calls `f`, with the loop current and errors to its handler.
  template <class F>
  void finish(const char* what, F&& f) noexcept {
    scheduler& s = *std::exchange(owner_, nullptr);
    closing_ ? s.closing_handle(-1) : unlink();
    running_ = true;
    if (!silenced_) call_on(s, what, std::forward<F>(f));
    // What dies here may own the wrapper, and let go of this.
    silence();
    kept_.reset();
    running_ = false;
    if (!held_) delete this;
    s.release();
  }

  /// The loop's, while libuv has the request.
  scheduler& owner() noexcept { return *owner_; }

  template <class Block, class Request>
  static Block& of(Request* r) noexcept {
    return *static_cast<Block*>(static_cast<request_block*>(r->data));
  }

 private:
  std::shared_ptr<const void> kept_;
  scheduler* owner_;        // null once libuv has given it back
  bool held_ = true;        // by its wrapper
  bool closing_ = false;    // its loop is
  bool silenced_ = false;   // the callback is not to be called
  bool cancelled_ = false;  // libuv will drop it
  bool running_ = false;    // finish() is
};

}  // namespace sheaf::runtime::detail
