#pragma once

// N-API in a few words: what the addon needs of it, with exceptions for its status codes.
#include <node_api.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace js {

/// An exception of JavaScript's is on its way already.
struct pending_exception {};

inline void check(napi_env env, napi_status s) {
  if (s == napi_ok) return;
  bool thrown = false;
  napi_is_exception_pending(env, &thrown);
  if (thrown || s == napi_pending_exception) throw pending_exception();
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  throw std::invalid_argument(info && info->error_message ? info->error_message
                                                          : "N-API");
}

/// Makes a value when there is JavaScript to make it in: what tasks of the addon give.
using maker = std::function<napi_value(napi_env)>;

inline napi_value undefined(napi_env env) {
  napi_value v = nullptr;
  check(env, napi_get_undefined(env, &v));
  return v;
}
inline napi_value string(napi_env env, const std::string& text) {
  napi_value v = nullptr;
  check(env, napi_create_string_utf8(env, text.data(), text.size(), &v));
  return v;
}
inline napi_value number(napi_env env, double n) {
  napi_value v = nullptr;
  check(env, napi_create_double(env, n, &v));
  return v;
}

inline std::string to_string(napi_env env, napi_value v) {
  std::size_t size = 0;
  check(env, napi_get_value_string_utf8(env, v, nullptr, 0, &size));
  std::string text(size, '\0');
  check(env, napi_get_value_string_utf8(env, v, text.data(), size + 1, &size));
  return text;
}
inline double to_number(napi_env env, napi_value v) {
  double n = 0;
  check(env, napi_get_value_double(env, v, &n));
  return n;
}

inline napi_valuetype type_of(napi_env env, napi_value v) {
  napi_valuetype t = napi_undefined;
  check(env, napi_typeof(env, v, &t));
  return t;
}
inline napi_value get(napi_env env, napi_value object, const char* name) {
  napi_value v = nullptr;
  check(env, napi_get_named_property(env, object, name, &v));
  return v;
}
inline void set(napi_env env, napi_value object, const char* name, napi_value v) {
  check(env, napi_set_named_property(env, object, name, v));
}
inline napi_value call(napi_env env, napi_value object, const char* method,
                       const std::vector<napi_value>& args) {
  napi_value result = nullptr;
  check(env, napi_call_function(env, object, get(env, object, method), args.size(),
                                args.data(), &result));
  return result;
}

/// Keeps a value of JavaScript's alive, in a box, since only objects can be referred to.
/// Thread: its environment's.
class reference {
 public:
  reference(napi_env env, napi_value v) : env_(env) {
    napi_value box = nullptr;
    check(env, napi_create_object(env, &box));
    set(env, box, "is", v);
    check(env, napi_create_reference(env, box, 1, &ref_));
  }
  reference(const reference&) = delete;
  reference& operator=(const reference&) = delete;
  ~reference() { napi_delete_reference(env_, ref_); }

  napi_value get() const {
    napi_value box = nullptr;
    check(env_, napi_get_reference_value(env_, ref_, &box));
    return js::get(env_, box, "is");
  }

 private:
  napi_env env_;
  napi_ref ref_ = nullptr;
};

/// A function of JavaScript's that calls `f(argument)` and owns it.
inline napi_value function(napi_env env, std::function<void(napi_env, napi_value)> f) {
  using callable = std::function<void(napi_env, napi_value)>;
  auto owned = std::make_unique<callable>(std::move(f));
  const auto called = [](napi_env e, napi_callback_info info) -> napi_value {
    std::size_t n = 1;
    napi_value argument = nullptr;
    void* data = nullptr;
    napi_get_cb_info(e, info, &n, &argument, nullptr, &data);
    (*static_cast<callable*>(data))(e, argument);
    return nullptr;
  };
  const auto freed = [](napi_env, void* data, void*) {
    delete static_cast<callable*>(data);
  };
  napi_value made = nullptr;
  check(env, napi_create_function(env, nullptr, 0, called, owned.get(), &made));
  check(env, napi_add_finalizer(env, made, owned.get(), freed, nullptr, nullptr));
  static_cast<void>(owned.release());
  return made;
}

}  // namespace js
