// A native addon for Node.js: tasks of sheaf inside of Node's own loop, as promises.
//
//     const sheaf = require('./sheaf.node');
//     await sheaf.sleep(50);
//     const [page] = await sheaf.gather([sheaf.fetch('127.0.0.1', 80), sheaf.sleep(10)]);
//     await sheaf.sleep(1e6, { signal: AbortSignal.timeout(10) });   // rejects
#include "bridge.hpp"

#include <sheaf/gather.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/stream.hpp>

#include <dlfcn.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace {

// ---- coroutines, which know nothing of JavaScript but that they give a maker -----------------

sheaf::coro<js::maker> sleep_for(double ms) {
  co_await sheaf::sleep(std::chrono::duration<double, std::milli>(ms));
  co_return js::undefined;
}

// Sends `text`, if there is some, and gives all that comes until the end.
sheaf::coro<js::maker> fetch_from(std::string host, std::uint16_t port,
                                  std::string text) {
  sheaf::stream s = co_await sheaf::open_connection(host, port);
  if (!text.empty()) co_await s.write(text);
  std::string all = co_await s.read();
  co_return [all = std::move(all)](napi_env env) { return js::string(env, all); };
}

sheaf::coro<js::maker> gather_all(std::vector<sheaf::future<js::maker>> what) {
  const std::vector<js::maker> all = co_await sheaf::gather(std::move(what));
  co_return [all](napi_env env) {
    napi_value array = nullptr;
    js::check(env, napi_create_array_with_length(env, all.size(), &array));
    for (std::uint32_t i = 0; i < all.size(); ++i) {
      js::check(env, napi_set_element(env, array, i, all[i](env)));
    }
    return array;
  };
}

// ---- what JavaScript calls -------------------------------------------------------------------

using arguments = std::vector<napi_value>;  // three, undefined where none was given

napi_value sleep(napi_env env, const arguments& given) {
  return bridge::of(env).promise_for(sleep_for(js::to_number(env, given[0])), given[1]);
}

napi_value fetch(napi_env env, const arguments& given) {
  std::string text;
  if (js::type_of(env, given[2]) == napi_object) {
    napi_value const send = js::get(env, given[2], "send");
    if (js::type_of(env, send) == napi_string) text = js::to_string(env, send);
  }
  const double port = js::to_number(env, given[1]);
  if (!(port >= 0 && port <= 65'535)) throw std::invalid_argument("fetch: no such port");
  return bridge::of(env).promise_for(
      fetch_from(js::to_string(env, given[0]), static_cast<std::uint16_t>(port), text),
      given[2]);
}

napi_value gather(napi_env env, const arguments& given) {
  std::uint32_t n = 0;
  js::check(env, napi_get_array_length(env, given[0], &n));
  std::vector<sheaf::future<js::maker>> all;
  for (std::uint32_t i = 0; i < n; ++i) {
    napi_value each = nullptr;
    js::check(env, napi_get_element(env, given[0], i, &each));
    all.push_back(bridge::of(env).future_for(each));
  }
  return bridge::of(env).promise_for(gather_all(std::move(all)), given[1]);
}

napi_value tasks(napi_env env, const arguments&) {
  return js::number(env, static_cast<double>(bridge::of(env).loop().all_tasks().size()));
}

// Which libuv this runs on, and which its sources were compiled for.
napi_value about_uv(napi_env env, const arguments&) {
  napi_value about = nullptr;
  js::check(env, napi_create_object(env, &about));
  Dl_info where{};
  dladdr(reinterpret_cast<void*>(&uv_run), &where);
  js::set(env, about, "file", js::string(env, where.dli_fname ? where.dli_fname : "?"));
  js::set(env, about, "version", js::string(env, uv_version_string()));
  const std::string compiled = std::to_string(UV_VERSION_MAJOR) + "." +
                               std::to_string(UV_VERSION_MINOR) + "." +
                               std::to_string(UV_VERSION_PATCH);
  js::set(env, about, "compiled", js::string(env, compiled));
  return about;
}

/// Calls `f`, and throws in JavaScript what that throws.
template <napi_value (*f)(napi_env, const arguments&)>
napi_value entry(napi_env env, napi_callback_info info) {
  try {
    arguments given(3);
    std::size_t n = given.size();
    js::check(env, napi_get_cb_info(env, info, &n, given.data(), nullptr, nullptr));
    return f(env, given);
  } catch (const js::pending_exception&) {
  } catch (const std::exception& e) {
    napi_throw_type_error(env, "ERR_SHEAF", e.what());
  }
  return nullptr;
}

template <napi_value (*f)(napi_env, const arguments&)>
void add(napi_env env, napi_value exports, const char* name) {
  napi_value made = nullptr;
  js::check(env,
            napi_create_function(env, name, NAPI_AUTO_LENGTH, entry<f>, nullptr, &made));
  js::set(env, exports, name, made);
}

// The layouts of another libuv would be the end of both.
void require_same_layouts() {
  if (uv_loop_size() != sizeof(uv_loop_t) || uv_handle_size(UV_TCP) != sizeof(uv_tcp_t) ||
      uv_handle_size(UV_TIMER) != sizeof(uv_timer_t) ||
      uv_handle_size(UV_ASYNC) != sizeof(uv_async_t) ||
      uv_req_size(UV_WRITE) != sizeof(uv_write_t)) {
    throw std::runtime_error("sheaf was compiled for another libuv than this Node has");
  }
}

}  // namespace

NAPI_MODULE_INIT() {
  try {
    require_same_layouts();
    bridge::make(env);
    add<sleep>(env, exports, "sleep");
    add<fetch>(env, exports, "fetch");
    add<gather>(env, exports, "gather");
    add<tasks>(env, exports, "tasks");
    add<about_uv>(env, exports, "uv");
  } catch (const js::pending_exception&) {
  } catch (const std::exception& e) {
    napi_throw_error(env, "ERR_SHEAF", e.what());
  }
  return exports;
}
