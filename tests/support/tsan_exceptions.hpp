#pragma once

// For a test whose exceptions go from thread to thread; include it once in its program.
//
// An exception object goes with the last std::exception_ptr, on whichever thread that is. The
// count is atomic, inside of libstdc++, which is built without the sanitizer: it cannot see
// that the one thread is done with what the other frees: the object, and a cancellation's
// cause.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:std::__exception_ptr::exception_ptr::_M_release\n"
         "race:sheaf::detail::cancel_cause::release\n";
}
