#pragma once

// For a test of several threads; include it once in its program. What the thread sanitizer takes
// for races because it does not see all of the libraries that are built without it:
//
// libstdc++: an exception object goes with the last std::exception_ptr, on whichever thread that
// is. The count is atomic, inside of the library: that the one thread is done with what the other
// frees, the object and a cancellation's cause, is not seen.
//
// OpenSSL: what it shares between connections, such as certificates that are trusted, it fills
// under a lock and then finds by an atomic that is not seen; its memcmp() of that is. Only calls
// that it makes itself are left out: what it calls of ours, and what that calls, is looked at.
//
// libuv: it closes descriptors by a system call of its own, which is not seen. So a pair of them
// appears to be made, or a directory to be closed, where another thread uses the same number.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:std::__exception_ptr::exception_ptr::_M_release\n"
         "race:sheaf::detail::cancel_cause::release\n"
         "called_from_lib:libcrypto.so\n"
         "called_from_lib:libssl.so\n"
         "race_top:pipe2\n"
         "race_top:socketpair\n"
         "race_top:closedir\n";
}
