#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace sheaf::runtime {

template <class Signature>
class unique_function;

/// A callable that is moved, never copied: std::move_only_function of C++23, for C++20.
///
/// Owns its callable; one of up to 48 bytes that moves without throwing is stored inside,
/// a larger one costs an allocation. Calling an empty one is undefined.
template <class R, class... Args>
class unique_function<R(Args...)> {
 public:
  unique_function() = default;
  unique_function(std::nullptr_t) noexcept {}

  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, unique_function> &&
             std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
  unique_function(F&& f) {  // NOLINT: converts, as std::function does
    using held = std::decay_t<F>;
    if constexpr (fits<held>) {
      ::new (static_cast<void*>(room_)) held(std::forward<F>(f));
      operations_ = &inside<held>;
    } else {
      ::new (static_cast<void*>(room_)) held*(new held(std::forward<F>(f)));
      operations_ = &outside<held>;
    }
  }

  unique_function(unique_function&& from) noexcept { take(from); }
  unique_function& operator=(unique_function&& from) noexcept {
    if (this != &from) {
      reset();
      take(from);
    }
    return *this;
  }
  ~unique_function() { reset(); }

  explicit operator bool() const noexcept { return operations_ != nullptr; }
  R operator()(Args... args) {
    return operations_->call(room_, std::forward<Args>(args)...);
  }

  void reset() noexcept {
    if (auto* const old = std::exchange(operations_, nullptr)) old->destroy(room_);
  }

 private:
  static constexpr std::size_t size = 48;
  struct table {
    R (*call)(void*, Args&&...);
    void (*move)(void* from, void* to) noexcept;
    void (*destroy)(void*) noexcept;
  };

  template <class F>
  static constexpr bool fits =
      sizeof(F) <= size && alignof(F) <= alignof(std::max_align_t) &&
      std::is_nothrow_move_constructible_v<F>;

  template <class F>
  static constexpr table inside{[](void* p, Args&&... a) -> R {
                                  return (*static_cast<F*>(p))(std::forward<Args>(a)...);
                                },
                                [](void* from, void* to) noexcept {
                                  ::new (to) F(std::move(*static_cast<F*>(from)));
                                  static_cast<F*>(from)->~F();
                                },
                                [](void* p) noexcept { static_cast<F*>(p)->~F(); }};

  template <class F>
  static constexpr table outside{
      [](void* p, Args&&... a) -> R {
        return (**static_cast<F**>(p))(std::forward<Args>(a)...);
      },
      [](void* from, void* to) noexcept { ::new (to) F*(*static_cast<F**>(from)); },
      [](void* p) noexcept { delete *static_cast<F**>(p); }};

  void take(unique_function& from) noexcept {
    operations_ = std::exchange(from.operations_, nullptr);
    if (operations_) operations_->move(from.room_, room_);
  }

  alignas(std::max_align_t) std::byte room_[size];
  const table* operations_ = nullptr;
};

}  // namespace sheaf::runtime
