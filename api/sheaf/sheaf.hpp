#pragma once

// Everything. A library includes by feature instead: <sheaf/gather.hpp>.
#include <sheaf/as_completed.hpp>
#include <sheaf/as_outcome.hpp>
#include <sheaf/barrier.hpp>
#include <sheaf/condition.hpp>
#include <sheaf/context_var.hpp>
#include <sheaf/coro.hpp>
#include <sheaf/event.hpp>
#include <sheaf/exceptions.hpp>
#include <sheaf/future.hpp>
#include <sheaf/gather.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/mutex.hpp>
#include <sheaf/outcome.hpp>
#include <sheaf/promise.hpp>
#include <sheaf/queue.hpp>
#include <sheaf/run.hpp>
#include <sheaf/semaphore.hpp>
#include <sheaf/shield.hpp>
#include <sheaf/sleep.hpp>
#include <sheaf/task.hpp>
#include <sheaf/to_thread.hpp>
#include <sheaf/trace.hpp>
#include <sheaf/wait.hpp>
