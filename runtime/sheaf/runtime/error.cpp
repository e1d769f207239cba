#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/error.hpp>

namespace sheaf {

namespace {

class category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "uv"; }

  std::string message(int code) const override {
    char text[128];
    return uv_strerror_r(code, text, sizeof text);
  }

  // libuv's codes are negated errno values wherever the system knows the error; its own
  // (EAI_*, UV_EOF, UV_UNKNOWN) lie below -3000 and stay in this category.
  std::error_condition default_error_condition(int code) const noexcept override {
    if (code < 0 && code > -3000) return {-code, std::generic_category()};
    return {code, *this};
  }
};

std::string describe(int code, const std::string& operation) {
  char name[32];
  return operation + ": " + uv_err_name_r(code, name, sizeof name);
}

}  // namespace

const std::error_category& uv_category() noexcept {
  static const category instance;
  return instance;
}

uv_error::uv_error(int code, const std::string& operation)
    : std::system_error(code, uv_category(), describe(code, operation)) {}

namespace runtime {

int checked(int code, const char* operation) {
  if (code < 0) throw uv_error(code, operation);
  return code;
}

}  // namespace runtime
}  // namespace sheaf
