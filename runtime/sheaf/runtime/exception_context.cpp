#include <sheaf/runtime/exception_context.hpp>
#include <sheaf/runtime/one_line.hpp>

#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <typeinfo>
#include <utility>

namespace sheaf {

namespace {

std::string demangled(const std::type_info* type) {
  if (!type) return "unknown exception";
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text{
      abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), std::free};
  return status == 0 ? text.get() : type->name();
}

std::string in_milliseconds(std::chrono::nanoseconds d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f ms", static_cast<double>(d.count()) / 1e6);
  return text;
}

void add_place(std::string& line, const char* word, const std::source_location& at) {
  if (at.line() == 0) return;
  line +=
      std::string(", ") + word + ' ' + at.file_name() + ':' + std::to_string(at.line());
}

}  // namespace

std::string describe(const std::exception_ptr& e) {
  if (!e) return "no exception";
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return demangled(&typeid(x)) + ": " + x.what();
  } catch (...) {
    return demangled(abi::__cxa_current_exception_type());
  }
}

bool leaves_run(const std::exception_ptr& e) noexcept {
  try {
    std::rethrow_exception(e);
  } catch (const system_exit&) {
    return true;
  } catch (const keyboard_interrupt&) {
    return true;
  } catch (...) {
    return false;
  }
}

std::string describe(const exception_context& context) {
  std::string line = context.message;
  if (context.took.count() != 0) line += " for " + in_milliseconds(context.took);
  if (context.exception) line += ": " + describe(context.exception);
  if (context.task_id != 0) {
    line += " [task " + std::to_string(context.task_id) + " " + context.task_name + ']';
  }
  add_place(line, "created at", context.created_at);
  add_place(line, "resumed at", context.resumed_at);
  add_place(line, "waiting at", context.waiting_at);
  return runtime::one_line(std::move(line));
}

void print_report(const exception_context& context) noexcept {
  std::fprintf(stderr, "sheaf: %s\n", describe(context).c_str());
}

}  // namespace sheaf
