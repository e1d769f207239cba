#pragma once

namespace sheaf::runtime {

/// Where a loop takes its time from.
enum class clock_kind {
  real,     ///< uv_hrtime
  manual,   ///< stands still until advance()
  virtual_  ///< jumps to the next deadline when nothing else can happen
};

}  // namespace sheaf::runtime
