#include <sheaf/context_var.hpp>
#include <sheaf/detail/task_state.hpp>

#include <algorithm>
#include <atomic>

namespace sheaf {

namespace {

// Of a thread outside of tasks; null while nothing has been set in it.
constinit thread_local detail::context_state* thread_context = nullptr;

detail::context_state& own_thread_context() {
  if (thread_context) return *thread_context;
  static thread_local const auto own =
      detail::context_ref::adopt(new detail::context_state);
  thread_context = own.get();
  return *own;
}

}  // namespace

context copy_context() {
  const detail::context_state* const c = detail::current_context();
  return c ? context(detail::context_ref::adopt(new detail::context_state(*c)))
           : context();
}

namespace detail {

const std::any* context_state::find(std::uint64_t variable) const noexcept {
  const auto at = std::find_if(values_.begin(), values_.end(),
                               [=](const auto& v) { return v.first == variable; });
  return at == values_.end() ? nullptr : &at->second;
}

void context_state::set(std::uint64_t variable, std::any value) {
  const auto at = std::find_if(values_.begin(), values_.end(),
                               [=](const auto& v) { return v.first == variable; });
  if (at == values_.end()) {
    values_.emplace_back(variable, std::move(value));
  } else {
    at->second = std::move(value);
  }
}

context_state* current_context() noexcept {
  loop_core* const l = loop_core::current_or_null();
  if (l && (l->context() || l->current_task())) return l->context();
  return thread_context;
}

context_state& own_context() {
  loop_core* const l = loop_core::current_or_null();
  if (l && l->context()) return *l->context();
  if (l && l->current_task()) {
    l->current_task()->run_in(context_ref::adopt(new context_state));
    return *l->context();
  }
  return own_thread_context();
}

context_scope::context_scope(context_state& c) noexcept {
  if (loop_core* const l = loop_core::current_or_null()) {
    before_ = l->context();
    l->set_context(&c);
  } else {
    before_ = std::exchange(thread_context, &c);
  }
}

context_scope::~context_scope() {
  if (loop_core* const l = loop_core::current_or_null()) {
    l->set_context(before_);
  } else {
    thread_context = before_;
  }
}

std::uint64_t next_variable() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace detail
}  // namespace sheaf
