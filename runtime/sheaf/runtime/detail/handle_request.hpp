#pragma once

#include <sheaf/runtime/detail/handle_block.hpp>
#include <sheaf/runtime/frame_pool.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <memory>
#include <system_error>
#include <utility>

namespace sheaf::runtime::detail {

using done_callback = unique_function<void(std::error_code)>;

/// A code of libuv's as the standard has it; 0 is no error.
inline std::error_code to_error(int code) noexcept {
  return {code < 0 ? code : 0, uv_category()};
}

class requesting_block;

/// A request that belongs to a handle (connect, write, shutdown, udp_send) in the list of
/// its handle, which silences it. libuv calls back before it closes the handle.
class handle_request : public pooled {
 public:
  handle_request(const handle_request&) = delete;
  handle_request& operator=(const handle_request&) = delete;
  virtual ~handle_request() { unlink(); }

 protected:
  handle_request(requesting_block& on, done_callback f) noexcept;

  /// In libuv's callback: unlinks this, calls what waits for it, and frees it.
  void finish(const char* what, int status) noexcept;

 private:
  friend class requesting_block;
  void unlink() noexcept;

  requesting_block& on_;
  done_callback done_;
  handle_request* prev_;
  handle_request* next_;
};

/// The block of a handle that has requests.
class requesting_block : public handle_block {
 protected:
  using handle_block::handle_block;
  void silence() noexcept override;

  template <class Request>
  friend class request_of;
  friend class handle_request;

 private:
  handle_request* requests_ = nullptr;  // the first, of a list that is no ring
};

/// One kind of request: libuv's struct, and what the request keeps alive.
template <class Request>
class request_of : public handle_request {
 public:
  request_of(requesting_block& on, done_callback f) noexcept
      : handle_request(on, std::move(f)) {
    uv.data = this;
  }
  Request uv;

  /// libuv's callback, for requests whose callback is called with nothing but a status.
  template <const char* What>
  static void on_done(Request* r, int status) {
    static_cast<request_of*>(r->data)->finish(What, status);
  }
};

/// Frees a request that libuv refused; leaves one that it took to its callback.
template <class R>
void submit(std::unique_ptr<R> r, int code, const char* operation) {
  checked(code, operation);
  static_cast<void>(r.release());
}

}  // namespace sheaf::runtime::detail
