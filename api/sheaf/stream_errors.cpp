#include <sheaf/stream_errors.hpp>

namespace sheaf {

namespace {

std::string text_of(std::size_t got, const std::optional<std::size_t>& expected) {
  std::string text = std::to_string(got);
  text += " bytes read of ";
  text += expected ? std::to_string(*expected) + " expected" : "an unfinished record";
  return text + " when the stream ended";
}

}  // namespace

incomplete_read::incomplete_read(std::string partial, std::optional<std::size_t> expected)
    : runtime_error(text_of(partial.size(), expected)),
      partial_(std::move(partial)),
      expected_(expected) {}

}  // namespace sheaf
