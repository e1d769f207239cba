#pragma once

// The one header that includes uv.h. It is private: no public header includes it, so a host
// gets neither libuv's names nor the system's socket headers from us.
#include <uv.h>

static_assert(UV_VERSION_HEX >= ((1 << 16) | (44 << 8) | 2), "sheaf needs libuv 1.44.2");
