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
class loop;
class runner;
class run_options;
class task_options;
class cancelled;

}  // namespace sheaf
