#pragma once

namespace sheaf {

template <class T = void>
class coro;
template <class T = void>
class future;
template <class T = void>
class promise;
template <class T = void>
class task;
template <class T = void>
class outcome;
template <class T>
class generator;
class barrier;
class bounded_semaphore;
class condition;
class event;
class loop;
class mutex;
class semaphore;
template <class T>
class queue;
template <class T>
class lifo_queue;
class runner;
class run_options;
class task_options;
class cancelled;

}  // namespace sheaf
