#pragma once

// Catch2 3 where it is installed, else Catch2 2 (Debian 12): the tests build with both.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#elif __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_test_macros.hpp>
#else
#include <catch2/catch.hpp>

#include <iostream>

/// Ends a test that cannot run here. Catch2 3 has it; tests/support/tally.py counts both.
#define SKIP(reason)                                 \
  do {                                               \
    std::cout << "SKIPPED: " << reason << std::endl; \
    return;                                          \
  } while (false)
#endif
