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

std::string name_of(int code) {
  char name[32];
  return uv_err_name_r(code, name, sizeof name);
}

std::string quoted(std::string_view path) {
  return " '" + std::string(path.substr(0, path.find('\0'))) + "'";
}

}  // namespace

const std::error_category& uv_category() noexcept {
  static const category instance;
  return instance;
}

uv_error::uv_error(int code, const std::string& operation)
    : std::system_error(code, uv_category(), operation + ": " + name_of(code)),
      facts_(std::make_shared<const facts>(facts{operation, {}})) {}

uv_error::uv_error(int code, const std::string& operation, std::string_view path)
    : std::system_error(code, uv_category(),
                        operation + quoted(path) + ": " + name_of(code)),
      facts_(std::make_shared<const facts>(facts{operation, std::string(path)})) {}

std::string uv_error::name() const { return name_of(code().value()); }

namespace runtime {

int checked(int code, const char* operation) {
  if (code < 0) throw uv_error(code, operation);
  return code;
}

int checked(int code, const char* operation, std::string_view path) {
  if (code < 0) throw uv_error(code, operation, path);
  return code;
}

}  // namespace runtime
}  // namespace sheaf
