#pragma once

#include <sheaf/runtime/request.hpp>
#include <sheaf/runtime/unique_function.hpp>

#include <cstddef>
#include <string>
#include <system_error>

namespace sheaf::runtime {

class loop;

/// Bytes from the system's source of randomness, fit for keys: uv_random. It may wait for
/// entropy, so one of libuv's threads asks. Throws uv_error (E2BIG) for 2 GiB or more.
request random(loop& l, std::size_t size,
               unique_function<void(std::string bytes, std::error_code)> f);

}  // namespace sheaf::runtime
