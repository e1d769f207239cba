#pragma once

#include <sheaf/detail/loop_core.hpp>
#include <sheaf/detail/observer.hpp>
#include <sheaf/exceptions.hpp>
#include <sheaf/runtime/frame_pool.hpp>
#include <sheaf/runtime/intrusive_ptr.hpp>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>

namespace sheaf::detail {

enum class future_status : std::uint8_t { pending, value, error, cancelled };

/// The shared state behind futures and tasks: all that does not depend on the type.
///
/// Counted, not atomically: a state belongs to its loop's thread. Once it is not pending it
/// never changes.
class future_state : public observer, public runtime::pooled {
 public:
  future_state(const future_state&) = delete;
  future_state& operator=(const future_state&) = delete;

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) destroy();
  }
  /// release() by who knows the type, which is final: its destructor is inlined.
  template <class Final>
  void release_as() noexcept {
    if (--references_ != 0) return;
    if (!static_cast<Final*>(this)->has_plain_value()) [[unlikely]]
      return destroy();
    forget_the_rest();
    delete static_cast<Final*>(this);
  }
  std::uint32_t references() const noexcept { return references_; }

  loop_core& loop() const noexcept { return loop_.loop; }
  future_status status() const noexcept { return status_; }
  bool done() const noexcept { return status_ != future_status::pending; }
  bool failed() const noexcept { return status_ == future_status::error; }
  bool is_task() const noexcept { return is_task_; }
  bool being_cancelled() const noexcept { return being_cancelled_; }

  /// Asks for cancellation; false if it is done already, or refuses. The base settles at
  /// once; tasks and joins pass the request on.
  virtual bool cancel(const cancel_ref& cause) noexcept;

  void watch(watcher& w, observer& who) noexcept {
    if (!watchers_) return watch_alone(w, who);
    w.who = &who;
    w.next = watchers_;
    w.prev = watchers_->prev;
    w.prev->next = &w;
    watchers_->prev = &w;
  }
  /// The same, where nobody else is registered.
  void watch_alone(watcher& w, observer& who) noexcept {
    w.who = &who;
    w.prev = w.next = &w;
    watchers_ = &w;
  }
  void unwatch(watcher& w) noexcept {
    if (!w.registered()) return;
    if (w.next == &w) {
      watchers_ = nullptr;
    } else {
      w.prev->next = w.next;
      w.next->prev = w.prev;
      if (watchers_ == &w) watchers_ = w.next;
    }
    w.prev = nullptr;
  }

  /// Whether somebody is registered, who may not hold a reference: a done callback.
  bool watched() const noexcept { return watchers_ != nullptr; }

  // ---- settling: each once, and only while pending ----
  void settle_value() noexcept { settle(future_status::value); }
  void settle_error(std::exception_ptr e) noexcept {
    error_ = std::move(e);
    settle(future_status::error);
  }
  void settle_cancelled(cancel_ref cause) noexcept {
    cause_ = std::move(cause);
    settle(future_status::cancelled);
  }
  /// Settles as `from`, which has settled without a value.
  void settle_like(const future_state& from) noexcept;
  /// Throws invalid_state unless pending.
  void require_pending(const char* what) const;

  // ---- reading ----
  /// Throws the error, the cancellation, or invalid_state while there is no value to give.
  // Inline, and throws from where it is inlined: see task_state::throw_if_interrupted().
  [[gnu::always_inline]] void require_value() {
    retrieved_ = true;
    if (status_ == future_status::value && !taken_) [[likely]]
      return;
    note_read();
    if (status_ == future_status::error) std::rethrow_exception(error_);
    if (status_ == future_status::cancelled) throw cancelled(cause_);
    throw_no_value();
  }
  /// Null for a value; throws `cancelled` for a cancellation and invalid_state while pending.
  std::exception_ptr exception();
  const std::exception_ptr& error() const noexcept { return error_; }
  /// For the one who takes it to another thread: an exception object is no thing to share.
  std::exception_ptr hand_over_error() noexcept { return std::exchange(error_, nullptr); }
  const cancel_ref& cause() const noexcept { return cause_; }
  /// From now on its error is somebody's business; it will not be reported.
  void mark_retrieved() noexcept { retrieved_ = true; }
  /// The value was moved out; who reads it after this gets invalid_state.
  void mark_taken() noexcept { taken_ = true; }

  template <class T>
  T& value() noexcept {
    return *std::launder(static_cast<T*>(value_address()));
  }
  void* value_address() noexcept {
    return reinterpret_cast<std::byte*>(this) + value_offset_;
  }

  /// For dumps and traces: "future", "task", "gather", and a number that tells which.
  virtual const char* kind() const noexcept { return "future"; }
  virtual std::uint64_t trace_id() const noexcept { return 0; }
  /// Whether it stands for something under way, which ends for it alone when it is
  /// cancelled; false for what a promise is to fill, which may be many others' business.
  virtual bool is_work() const noexcept { return is_task_; }

  /// Where it is awaited: of the first watcher that knows; line() is 0 if none does.
  std::source_location awaited_at() const noexcept;

  /// What the first watcher that has a name for it calls it; empty if none has.
  std::string watchers_name() const;

  /// Finds the callback with that id among those registered; null if there is none.
  watcher* find_callback(std::uint64_t id) noexcept;

  // Lets a combinator find what was given to it twice; cleared before it returns.
  bool marked() const noexcept { return marked_; }
  void mark(bool on) noexcept { marked_ = on; }

  void settled(watcher&) noexcept override {}
  void run() noexcept override {}

 protected:
  explicit future_state(loop_core& l, bool is_task = false,
                        std::uint32_t references = 1) noexcept
      : loop_(l), references_(references), is_task_(is_task) {}
  virtual ~future_state() {
    if (watchers_) [[unlikely]]
      forsake_watchers();
  }
  void set_value_address(void* p) noexcept {
    value_offset_ = static_cast<std::uint16_t>(static_cast<std::byte*>(p) -
                                               reinterpret_cast<std::byte*>(this));
  }
  bool value_lives() const noexcept { return status_ == future_status::value; }
  /// Lets the compiler see what is so with a value: that the destructor, which follows, finds
  /// nothing else. The stores are not made.
  void forget_the_rest() noexcept {
    assert(!watchers_ && !error_ && !cause_);
    watchers_ = nullptr;
    std::construct_at(&error_);
    std::construct_at(&cause_);
  }
  void prefetch_watcher() const noexcept { __builtin_prefetch(watchers_); }
  void settle(future_status s) noexcept {
    status_ = s;
    watcher* const first = std::exchange(watchers_, nullptr);
    if (!first) return;
    if (first->next != first) [[unlikely]]
      return notify(loop(), first);
    first->prev = nullptr;
    first->who->settled(*first);
  }
  virtual exception_context describe_unretrieved() const;
  /// Destroys a value that was put in place but is not to be the result.
  virtual void discard_value() noexcept {}

 private:
  struct loop_hold {
    explicit loop_hold(loop_core& l) noexcept : loop(l) { l.retain(); }
    loop_hold(const loop_hold&) = delete;
    loop_hold& operator=(const loop_hold&) = delete;
    ~loop_hold() { loop.release(); }
    loop_core& loop;
  };
  loop_hold loop_;

 protected:
  std::exception_ptr error_;
  cancel_ref cause_;  // of the last request while pending, then of the cancellation

 private:
  static void notify(loop_core& l, watcher* first) noexcept;
  void destroy() noexcept;
  [[gnu::cold]] void note_read() const noexcept;
  [[noreturn]] void throw_no_value() const;
  void forsake_watchers() noexcept;
  void report_unretrieved() noexcept;
  void note_told(const cancel_ref& cause) const noexcept;

  std::uint32_t references_;
  std::uint16_t value_offset_ = 0;

 protected:
  future_status status_ = future_status::pending;
  bool is_task_ : 1;
  bool retrieved_ : 1 = false;
  bool taken_ : 1 = false;
  bool marked_ : 1 = false;
  bool being_cancelled_ : 1 = false;  // a join's request is on its way to the children
  bool result_kept_ : 1 = false;      // of a task, to be destroyed if it fails yet
  bool eventful_ : 1 = false;         // of a task: an error or a request came by
  unsigned char spare_ : 1 = 0;

 private:
  watcher* watchers_ = nullptr;  // circular; its prev is the last
};

/// Adds room for the value to a state.
template <class T, class Base>
class holding : public Base {
 public:
  template <class... Args>
  explicit holding(Args&&... args) : Base(std::forward<Args>(args)...) {
    this->set_value_address(&value_);
  }
  template <class... Args>
  void emplace(Args&&... args) {
    ::new (static_cast<void*>(&value_)) T(std::forward<Args>(args)...);
  }
  /// In place of what `make()` gives, without a move.
  template <class Make>
  void emplace_from(Make&& make) {
    ::new (static_cast<void*>(&value_)) T(std::forward<Make>(make)());
  }

 protected:
  ~holding() override {
    if constexpr (!std::is_trivially_destructible_v<T>) {
      if (this->value_lives()) std::destroy_at(&value_);
    }
  }
  void discard_value() noexcept final { std::destroy_at(&value_); }

 private:
  union {
    T value_;
  };
};

template <class Base>
class holding<void, Base> : public Base {
 public:
  using Base::Base;
  void emplace() noexcept {}
};

/// The state of a future that a promise fills.
template <class T>
class promised final : public holding<T, future_state> {
 public:
  explicit promised(loop_core& l) : holding<T, future_state>(l) {}

 private:
  ~promised() override = default;
};

using state_ref = runtime::intrusive_ptr<future_state>;

}  // namespace sheaf::detail
