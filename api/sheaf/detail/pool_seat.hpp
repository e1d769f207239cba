#pragma once

#include <sheaf/runtime/inbox.hpp>

#include <memory>

namespace sheaf {
class loop;
}

namespace sheaf::detail {

#if defined(__linux__) || defined(__FreeBSD__) || defined(__DragonFly__)
inline constexpr bool kernel_hands_over_nothing = false;
#else
inline constexpr bool kernel_hands_over_nothing = true;
#endif

/// A server that a loop of a pool has; all of it belongs to that loop's thread.
struct seated_server;

/// Where it is, for other threads: its loop, which exists while the pool does; the loop's
/// inbox, which always does; and the server, to be looked at over there alone.
struct pool_seat {
  sheaf::loop* at = nullptr;
  std::shared_ptr<runtime::inbox> mail;
  std::weak_ptr<seated_server> server;
};

}  // namespace sheaf::detail
