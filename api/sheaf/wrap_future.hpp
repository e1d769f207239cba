#pragma once

#include <sheaf/to_thread.hpp>

#include <future>
#include <utility>

namespace sheaf {

/// A future of the running loop for what another thread promised: asyncio's wrap_future.
///
///     int answer = co_await wrap_future(std::move(from_elsewhere));
///
/// A std::future tells nobody when it is ready, so that a thread of the default executor waits
/// for it: one each. Cancelling the result does not end that wait, nor what it waits for; the
/// loop's close waits for it.
template <class T>
future<T> wrap_future(std::future<T> f) {
  return to_thread([](std::future<T> waiting) { return waiting.get(); }, std::move(f));
}
/// One of a loop is given back as it is.
template <class T>
future<T> wrap_future(future<T> f) {
  return f;
}

}  // namespace sheaf
