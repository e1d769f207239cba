#include <sheaf/detail/promise_base.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/runtime/debug_mode.hpp>

#include <string>
#include <string_view>

namespace sheaf::detail {

namespace {

// Where no loop runs there is none to ask, nor a handler: the environment decides, and stderr.
bool wanted(const loop_core* l) noexcept {
  return l ? l->debug() : runtime::debug_mode::asked_by_environment();
}

/// How the compilers call a namespace without a name.
constexpr std::string_view anonymous[] = {"(anonymous namespace)::", "{anonymous}::"};

/// "shop::save" of "sheaf::coro<> shop::save(std::string)", as both compilers have it; all of
/// it where that is not a plain name: of a lambda.
std::string_view bare_name(std::string_view whole) noexcept {
  std::size_t begin = 0, depth = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const std::string_view prefix : anonymous) {
      if (whole.substr(i).starts_with(prefix)) i = begin = i + prefix.size();
    }
    if (i == whole.size()) break;
    const char c = whole[i];
    if (c == '<') ++depth;
    if (c == '>' && depth > 0) --depth;
    if (depth != 0) continue;
    if (c == ' ') begin = i + 1;
    if (c != '(') continue;
    const std::size_t end = whole.find(')', i);
    const bool goes_on = end != whole.npos && whole.substr(end + 1, 2) == "::";
    const bool is_plain = !goes_on && whole.substr(i, 3) != "()(";
    return is_plain ? whole.substr(begin, i - begin) : whole;
  }
  return whole;
}

void report_never_awaited(const promise_base& p) noexcept {
  loop_core* const l = loop_core::current_or_null();
  if (!wanted(l)) return;
  exception_context what{.message = "a coroutine was never awaited",
                         .created_at = p.origin_or_place()};
  if (what.created_at.line() != 0) {
    what.message.append(": ").append(bare_name(what.created_at.function_name()));
  }
  if (const task_state* const dropper = l ? l->current_task() : nullptr) {
    what.task_id = dropper->id();
    what.task_name = dropper->name();
    what.waiting_at = dropper->waiting_at();
  }
  l ? l->report(what) : print_report(what);
}

}  // namespace

void drop_unstarted(promise_base& p) noexcept {
  report_never_awaited(p);
  p.handle().destroy();
}

}  // namespace sheaf::detail
