#pragma once

#include <sheaf/runtime/request.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <system_error>

namespace sheaf::runtime {

class loop;

/// uv_queue_work: runs `f` on a thread of libuv's pool, then `done` on the loop's, with
/// UV_ECANCELED if it was cancelled before a thread took it.
///
/// Both are owned: `f` dies on the loop's thread, before `done` is called. What `f` throws goes
/// to the exception handler, on the loop's thread, and `done` is called all the same. A request
/// that is destroyed calls no `done`, but does not stop an `f` that runs: what it refers to must
/// stay until it has returned.
///
/// The pool has four threads for the whole process (UV_THREADPOOL_SIZE), which file operations
/// and names share: for work that blocks use to_thread().
request work(loop& l, unique_function<void()> f,
             unique_function<void(std::error_code)> done);

}  // namespace sheaf::runtime
