#pragma once

#include <sheaf/runtime/error.hpp>

#include <utility>

namespace sheaf::detail {

/// Reads for its scope's time, alone: two would divide between them what comes.
class only_reader {
 public:
  /// Throws invalid_state, with `advice`, if there is one; `reading` outlives this.
  only_reader(bool& reading, const char* advice) : reading_(reading) {
    if (std::exchange(reading_, true)) throw invalid_state(advice);
  }
  only_reader(const only_reader&) = delete;
  only_reader& operator=(const only_reader&) = delete;
  ~only_reader() { reading_ = false; }

 private:
  bool& reading_;
};

}  // namespace sheaf::detail
