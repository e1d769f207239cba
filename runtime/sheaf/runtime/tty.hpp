#pragma once

#include <sheaf/runtime/stream.hpp>

namespace sheaf::runtime {

class loop;

/// A uv_tty_t: a terminal.
class tty : public stream {
 public:
  enum class mode {
    normal,  ///< lines, as the terminal was
    raw,     ///< each key at once, unechoed
    io,      ///< binary-safe, for what is sent through
  };
  struct size {
    int columns;
    int rows;
  };

  /// Borrows the descriptor (0, 1 or 2 mostly). Throws uv_error (EINVAL) if it is none of a
  /// terminal; is_terminal() tells before.
  tty(loop& owner, int descriptor);

  static bool is_terminal(int descriptor) noexcept;

  /// For the whole terminal, not for this object: call reset_mode() before the program ends.
  void set_mode(mode m);
  /// Puts the terminal back as it was before the first set_mode(). May be called from a
  /// signal's handler; does nothing if no mode was set.
  static void reset_mode() noexcept;

  size winsize() const;
};

}  // namespace sheaf::runtime
