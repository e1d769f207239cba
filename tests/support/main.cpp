// The runner, for Catch2 2; Catch2 3 is linked with its own.
#define CATCH_CONFIG_MAIN
#include "catch.hpp"
