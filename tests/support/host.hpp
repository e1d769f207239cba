#pragma once

#include <uv.h>

#include "catch.hpp"

namespace test {

/// A plain libuv program's loop. When it ends all its handles must have been given back.
class host {
 public:
  host() { REQUIRE(uv_loop_init(&loop_) == 0); }
  host(const host&) = delete;
  host& operator=(const host&) = delete;
  ~host() {
    uv_run(&loop_, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop_) == 0);
  }

  uv_loop_t* get() noexcept { return &loop_; }
  bool turn() { return uv_run(&loop_, UV_RUN_NOWAIT) != 0; }
  /// True if it ended by itself, false if somebody stopped it.
  bool run() { return uv_run(&loop_, UV_RUN_DEFAULT) == 0; }

 private:
  uv_loop_t loop_;
};

}  // namespace test
