#pragma once

#include <sheaf/detail/ring_link.hpp>

namespace sheaf::detail {

/// Something that a loop waits for and that another loop is to answer, in the list of those
/// under way; the loop's end leaves them all.
class flight : public ring_link<flight> {
 public:
  /// The loop is closed: nobody will hear the answer. Takes itself out of the list.
  virtual void leave() noexcept = 0;

 protected:
  flight() = default;
  ~flight() = default;
};

}  // namespace sheaf::detail
