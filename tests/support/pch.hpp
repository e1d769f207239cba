// Precompiled once per layer. Only what most tests include anyway: never sheaf's own
// headers, so that a test still has to name what it uses.
#include "catch.hpp"

#include <chrono>
#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <tuple>
#include <variant>
#include <vector>
