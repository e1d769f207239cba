#include "bridge.hpp"

#include <sheaf/exceptions.hpp>

#include <string>

namespace {

/// Where promises resolve: at its end Node runs what awaits them. No callback of libuv's has
/// one by itself.
class callback_scope {
 public:
  callback_scope(napi_env env, napi_async_context context) : env_(env) {
    js::check(env, napi_open_handle_scope(env, &handles_));
    napi_value resource = nullptr;
    js::check(env, napi_create_object(env, &resource));
    js::check(env, napi_open_callback_scope(env, resource, context, &callbacks_));
  }
  callback_scope(const callback_scope&) = delete;
  callback_scope& operator=(const callback_scope&) = delete;
  ~callback_scope() {
    napi_close_callback_scope(env_, callbacks_);
    napi_close_handle_scope(env_, handles_);
  }

 private:
  napi_env env_;
  napi_handle_scope handles_ = nullptr;
  napi_callback_scope callbacks_ = nullptr;
};

napi_value error(napi_env env, const std::string& code, const std::string& text) {
  napi_value made = nullptr;
  js::check(env,
            napi_create_error(env, js::string(env, code), js::string(env, text), &made));
  return made;
}

napi_value abort_error(napi_env env, const std::string& text) {
  napi_value made = error(env, "ABORT_ERR", text);
  js::set(env, made, "name", js::string(env, "AbortError"));
  return made;
}

/// A value that was thrown in JavaScript, on its way through C++.
struct js_error {
  std::shared_ptr<js::reference> value;
};

/// A promise of JavaScript's in sheaf. Nobody is told when it is dropped, with its environment
/// or as garbage: that is no error.
struct adopted {
  explicit adopted(sheaf::loop& l) : promise(l) {}
  adopted(const adopted&) = delete;
  adopted& operator=(const adopted&) = delete;
  ~adopted() {
    if (!done()) promise.get_future().cancel("its JavaScript promise was dropped");
  }
  bool done() const { return promise.get_future().done(); }

  sheaf::promise<js::maker> promise;
};

napi_value to_js(napi_env env, const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const js_error& thrown) {
    return thrown.value->get();
  } catch (const sheaf::cancelled& c) {
    return abort_error(env, c.reason().empty() ? "cancelled" : c.reason());
  } catch (const sheaf::uv_error& u) {
    return error(env, uv_err_name(u.code().value()), u.what());
  } catch (const std::exception& other) {
    return error(env, "ERR_SHEAF", other.what());
  }
}

}  // namespace

/// A promise of JavaScript's that a task is to settle. Lives in the task's done callback.
struct bridge::pending {
  napi_deferred deferred = nullptr;
  std::unique_ptr<js::reference> signal, listener;
  bool aborted = false;
};

bridge::bridge(napi_env env) : env_(env) {
  js::check(env, napi_get_uv_event_loop(env, &uv_));
  loop_.emplace(uv_, sheaf::borrowed);
  js::check(env, napi_async_init(env, nullptr, js::string(env, "sheaf"), &context_));
  uv_idle_init(uv_, &last_);
  last_.data = this;
  js::check(env, napi_set_instance_data(env, this, nullptr, nullptr));
  js::check(env, napi_add_async_cleanup_hook(env, clean_up, this, &hook_));
}

bridge& bridge::make(napi_env env) { return *new bridge(env); }

bridge& bridge::of(napi_env env) {
  void* self = nullptr;
  js::check(env, napi_get_instance_data(env, &self));
  return *static_cast<bridge*>(self);
}

// libuv runs close callbacks in one go: with the last of them all are given back.
void bridge::clean_up(napi_async_cleanup_hook_handle, void* data) {
  auto* const self = static_cast<bridge*>(data);
  self->loop_->set_exception_handler([](const auto&) {});  // the environment was ended
  self->loop_.reset();
  napi_async_destroy(self->env_, self->context_);
  uv_close(reinterpret_cast<uv_handle_t*>(&self->last_), [](uv_handle_t* h) {
    auto* const b = static_cast<bridge*>(h->data);
    napi_remove_async_cleanup_hook(b->hook_);
    delete b;
  });
}

napi_value bridge::promise_for(sheaf::coro<js::maker> what, napi_value options) {
  auto p = std::make_shared<pending>();
  napi_value promise = nullptr;
  js::check(env_, napi_create_promise(env_, &p->deferred, &promise));
  auto t = loop_->create_task(std::move(what));
  // What gather() looks for.
  auto handle = std::make_unique<sheaf::task<js::maker>>(t);
  const auto freed = [](napi_env, void* h, void*) {
    delete static_cast<sheaf::task<js::maker>*>(h);
  };
  js::check(env_, napi_wrap(env_, promise, handle.get(), freed, nullptr, nullptr));
  static_cast<void>(handle.release());
  if (options && js::type_of(env_, options) == napi_object) {
    listen(p, t, js::get(env_, options, "signal"));
  }
  t.add_done_callback([this, p](const auto& f) { settle(*p, f.outcome()); });
  return promise;
}

void bridge::listen(const std::shared_ptr<pending>& p, const sheaf::task<js::maker>& t,
                    napi_value signal) {
  if (js::type_of(env_, signal) != napi_object) return;
  const auto abort = [t, weak = std::weak_ptr(p)](napi_env, napi_value) {
    if (const auto alive = weak.lock()) alive->aborted = t.cancel("aborted");
  };
  p->signal = std::make_unique<js::reference>(env_, signal);
  bool aborted = false;
  js::check(env_, napi_get_value_bool(env_, js::get(env_, signal, "aborted"), &aborted));
  if (aborted) return abort(env_, nullptr);
  napi_value const listener = js::function(env_, abort);
  js::call(env_, signal, "addEventListener", {js::string(env_, "abort"), listener});
  p->listener = std::make_unique<js::reference>(env_, listener);
}

void bridge::settle(pending& p, const sheaf::outcome<js::maker>& how) noexcept {
  try {
    const callback_scope scope(env_, context_);
    if (how.has_value()) {
      js::check(env_, napi_resolve_deferred(env_, p.deferred, how.value()(env_)));
    } else {
      js::check(env_, napi_reject_deferred(env_, p.deferred, reason_of(p, how)));
    }
    if (!p.listener) return;
    js::call(env_, p.signal->get(), "removeEventListener",
             {js::string(env_, "abort"), p.listener->get()});
  } catch (...) {
    // The environment ends: there is nobody to tell.
  }
}

// Who aborts says why; the platform's own functions reject with that too.
napi_value bridge::reason_of(pending& p, const sheaf::outcome<js::maker>& how) {
  if (how.is_cancelled() && p.aborted) return js::get(env_, p.signal->get(), "reason");
  return to_js(env_, how.error());
}

sheaf::future<js::maker> bridge::future_for(napi_value v) {
  void* ours = nullptr;
  if (napi_unwrap(env_, v, &ours) == napi_ok) {
    // As Promise.all does: who gathers it hears of its error.
    js::call(env_, v, "catch", {js::function(env_, [](napi_env, napi_value) {})});
    return *static_cast<sheaf::task<js::maker>*>(ours);
  }
  const auto to = std::make_shared<adopted>(*loop_);
  const auto fulfil = [to](napi_env env, napi_value with) {
    if (to->done()) return;  // cancelled meanwhile
    const auto kept = std::make_shared<js::reference>(env, with);
    to->promise.set_value([kept](napi_env) { return kept->get(); });
  };
  const auto reject = [to](napi_env env, napi_value with) {
    if (to->done()) return;
    to->promise.set_exception(
        std::make_exception_ptr(js_error{std::make_shared<js::reference>(env, with)}));
  };
  bool is_promise = false;
  js::check(env_, napi_is_promise(env_, v, &is_promise));
  if (is_promise) {
    js::call(env_, v, "then", {js::function(env_, fulfil), js::function(env_, reject)});
  } else {
    fulfil(env_, v);
  }
  return to->promise.get_future();
}
