#pragma once

#include <sheaf/runtime/stream.hpp>

namespace sheaf::runtime {

class loop;

/// A uv_tty_t: a terminal, read and written as a stream.
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

  /// Borrows the descriptor (0, 1 or 2 mostly), which may be closed at once if it is another:
  /// the terminal is opened anew where that can be, so that the modes of the descriptor stay as
  /// they are for those that share it. Throws uv_error: ENOTTY if it is none of a terminal
  /// (is_terminal() tells before), EBADF.
  tty(loop& owner, int descriptor);

  static bool is_terminal(int descriptor) noexcept;

  /// For the whole terminal, whoever uses it. The destructor, and the close of the loop, put
  /// back what this object has changed; call reset_mode() where the program may end before.
  void set_mode(mode m);
  /// Puts the terminal back as it was before the first set_mode(). May be called from a
  /// signal's handler; does nothing if no mode was set.
  static void reset_mode() noexcept;

  size winsize() const;
};

}  // namespace sheaf::runtime
