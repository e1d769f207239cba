#pragma once

#include <sheaf/future.hpp>

#include <exception>
#include <source_location>
#include <type_traits>
#include <utility>

namespace sheaf {

class loop;

/// The writing end of a future.
///
/// Moved, never copied. Destroyed before it was kept, it fails its future with
/// broken_promise. Setting it twice, or after the future was cancelled, throws
/// invalid_state; the try_ forms give false instead. Nothing runs inside these calls: who
/// waits is queued. Thread: its loop's; from another one use call_soon_threadsafe().
template <class T>
class promise {
 public:
  /// Of the loop that runs on this thread; throws invalid_state if none does.
  promise(std::source_location at = std::source_location::current())  // NOLINT: implicit
      : promise(detail::loop_core::current("promise"), at) {}
  explicit promise(loop& of, std::source_location at = std::source_location::current());

  promise(promise&&) noexcept = default;
  promise& operator=(promise&& other) noexcept {
    if (this != &other) {
      abandon();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~promise() { abandon(); }

  /// The reading end; may be called any number of times.
  future<T> get_future() const { return future<T>(state()); }

  /// Whether the future has settled: a value, an error, or cancelled by who waits.
  bool done() const { return state()->done(); }

  template <class... Args>
  void set_value(Args&&... args) {
    state()->require_pending("set_value");
    fulfil(std::forward<Args>(args)...);
  }
  void set_exception(std::exception_ptr e) {
    state()->require_pending("set_exception");
    state_->settle_error(require_error(std::move(e)));
  }

  /// Sets it unless it is done, as after a cancellation; whether it did.
  template <class... Args>
  bool try_set_value(Args&&... args) {
    state()->loop().require_thread("try_set_value");
    if (state()->done()) return false;
    fulfil(std::forward<Args>(args)...);
    return true;
  }
  bool try_set_exception(std::exception_ptr e) {
    state()->loop().require_thread("try_set_exception");
    if (state()->done()) return false;
    state_->settle_error(require_error(std::move(e)));
    return true;
  }

  /// Settles it as `from` is settled, copying the value; one that is done already is left
  /// alone. Throws invalid_state while `from` is pending.
  void copy_state(const future<T>& from) {
    auto& s = from.state();
    if (state()->done()) return;
    if (!s.done()) throw invalid_state("copy_state: the future to copy is not done");
    s.mark_retrieved();
    if (s.status() != detail::future_status::value) return state_->settle_like(s);
    if constexpr (std::is_void_v<T>) {
      fulfil();
    } else {
      fulfil(from.result());
    }
  }

  /// For the library.
  explicit promise(detail::loop_core& l, std::source_location at = {})
      : state_(detail::state_ref::adopt(new detail::promised<T>(l))) {
    l.require_open("promise");
    if (l.debug()) [[unlikely]]
      l.notes().made(state_.get(), at);
  }
  void cancel_as(const detail::cancel_ref& cause) {
    if (!state()->done()) state_->settle_cancelled(cause);
  }

 private:
  const detail::state_ref& state() const {
    if (!state_) throw invalid_state("this promise was moved from");
    return state_;
  }
  template <class... Args>
  void fulfil(Args&&... args) {
    static_assert(std::is_void_v<T> ? sizeof...(Args) == 0 : sizeof...(Args) > 0,
                  "set_value takes what T is made from, and nothing for promise<void>");
    static_cast<detail::promised<T>&>(*state_).emplace(std::forward<Args>(args)...);
    state_->settle_value();
  }
  static std::exception_ptr require_error(std::exception_ptr e) {
    if (!e) throw invalid_state("set_exception: the exception_ptr is null");
    return e;
  }
  void abandon() noexcept {
    if (!state_ || state_->done()) return;
    // Not reported if nobody awaits it: that it is broken says nothing went wrong here.
    state_->mark_retrieved();
    if (state_->references() > 1 || state_->watched()) {
      state_->settle_error(std::make_exception_ptr(broken_promise()));
    }
  }

  detail::state_ref state_;
};

}  // namespace sheaf
