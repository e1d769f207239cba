#include <sheaf/runtime/detail/function_name.hpp>
#include <sheaf/runtime/trace_store.hpp>

#include <algorithm>
#include <functional>
#include <new>
#include <string>
#include <unordered_map>

namespace sheaf::runtime {

namespace {

constexpr std::size_t max_names = 4096;
constexpr std::size_t max_files = 4096;  // what 12 bits of a place can tell apart
constexpr std::size_t max_text = 256;
constexpr std::size_t max_texts = std::size_t{4} << 20;

struct string_hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};

// Append-only, so an id stays valid as long as the recorder. Id 0 is the empty string.
class id_table {
 public:
  // Past `limit` every new string gets `overflow`, which the caller has put in before.
  std::uint16_t id_of(std::string_view text, std::size_t limit, std::uint16_t overflow) {
    if (text.empty()) return 0;
    if (const auto found = ids_.find(text); found != ids_.end()) return found->second;
    if (texts_.size() >= limit) return overflow;
    const auto id = static_cast<std::uint16_t>(texts_.size());
    const auto entry = ids_.emplace(text, id).first;
    try {
      texts_.push_back(&entry->first);
    } catch (...) {
      ids_.erase(entry);
      throw;
    }
    return id;
  }

  std::string_view operator[](std::size_t id) const noexcept {
    return id == 0 || id >= texts_.size() ? std::string_view{} : *texts_[id];
  }

 private:
  std::unordered_map<std::string, std::uint16_t, string_hash, std::equal_to<>> ids_;
  std::vector<const std::string*> texts_{nullptr};
};

constexpr std::uint16_t other_names = 1;

}  // namespace

struct trace_store::string_table {
  id_table names;
  id_table files;
  std::vector<std::string> texts{std::string{}};
  std::size_t text_bytes = 0;

  string_table() { names.id_of("…", max_names, 0); }
};

std::string_view to_string(trace_result result) noexcept {
  switch (result) {
    case trace_result::ok:
      return "ok";
    case trace_result::error:
      return "error";
    case trace_result::cancelled:
      return "cancelled";
    case trace_result::timeout:
      return "timeout";
  }
  return "unknown";
}

trace_store::trace_store(trace_limits limits, std::uint64_t start_ns)
    : limits_(limits), start_ns_(start_ns), strings_(std::make_unique<string_table>()) {
  if (!limits_.is_flight()) return;
  // Filled once, so that the first lap does not pay for the kernel's page faults.
  chunks_.emplace_back(new trace_record[limits_.records()]{});
  cursor_ = chunks_.front().get();
  end_ = cursor_ + limits_.records();
}

trace_store::~trace_store() = default;

void trace_store::chunk_delete::operator()(trace_record* records) const noexcept {
  delete[] records;
}

bool trace_store::refill() noexcept {
  if (limits_.is_flight()) {
    ++laps_;
    cursor_ = chunks_.front().get();
    return true;
  }
  if (grow()) return true;
  ++lost_;
  return false;
}

bool trace_store::grow() noexcept {
  const auto kept = chunks_.size() << chunk_shift;
  if (kept >= limits_.records()) return false;
  try {
    // Not value-initialised: a page that no record reaches is never touched.
    chunk fresh(new trace_record[chunk_size]);
    chunks_.push_back(std::move(fresh));
  } catch (const std::bad_alloc&) {
    return false;
  }
  cursor_ = chunks_.back().get();
  end_ = cursor_ + std::min(chunk_size, limits_.records() - kept);
  return true;
}

std::uint16_t trace_store::intern(std::string_view name) noexcept {
  try {
    return strings_->names.id_of(name, max_names, other_names);
  } catch (const std::bad_alloc&) {
    return other_names;
  }
}

std::uint16_t trace_store::literal_miss(cache_slot& slot, const char* name) noexcept {
  slot = {name, name == nullptr ? std::uint16_t{0} : intern(name)};
  return slot.id;
}

std::uint16_t trace_store::function_miss(cache_slot& slot, const char* name) noexcept {
  slot = {name, 0};
  try {
    if (name) slot.id = intern(detail::short_function_name(name));
  } catch (const std::bad_alloc&) {
    slot.text = nullptr;
  }
  return slot.id;
}

std::uint16_t trace_store::file_miss(cache_slot& slot, const char* file) noexcept {
  slot = {file, 0};
  if (file == nullptr) return 0;
  try {
    slot.id = strings_->files.id_of(file, max_files, 0);
  } catch (const std::bad_alloc&) {
    slot.text = nullptr;
  }
  return slot.id;
}

std::uint32_t trace_store::text_miss(std::string_view words) noexcept {
  auto& texts = strings_->texts;
  words = words.substr(0, max_text);
  if (texts.back() == words) return static_cast<std::uint32_t>(texts.size() - 1);
  if (strings_->text_bytes + words.size() > max_texts) return 0;
  try {
    texts.emplace_back(words);
  } catch (const std::bad_alloc&) {
    return 0;
  }
  strings_->text_bytes += words.size();
  return static_cast<std::uint32_t>(texts.size() - 1);
}

std::size_t trace_store::size() const noexcept {
  if (chunks_.empty()) return 0;
  if (limits_.is_flight()) {
    const auto used = static_cast<std::size_t>(cursor_ - chunks_.front().get());
    return laps_ == 0 ? used : limits_.records();
  }
  const auto used = static_cast<std::size_t>(cursor_ - chunks_.back().get());
  return ((chunks_.size() - 1) << chunk_shift) + used;
}

const trace_record& trace_store::operator[](std::size_t index) const noexcept {
  if (!limits_.is_flight())
    return chunks_[index >> chunk_shift][index & (chunk_size - 1)];
  const auto* ring = chunks_.front().get();
  const auto oldest = laps_ == 0 ? 0 : static_cast<std::size_t>(cursor_ - ring);
  const auto place = oldest + index;
  return ring[place < limits_.records() ? place : place - limits_.records()];
}

std::string_view trace_store::name(std::uint16_t id) const noexcept {
  return strings_->names[id];
}

std::string_view trace_store::text_of(std::uint32_t id) const noexcept {
  return id < strings_->texts.size() ? std::string_view(strings_->texts[id])
                                     : std::string_view{};
}

std::string_view trace_store::file_of(std::uint32_t place) const noexcept {
  return strings_->files[place >> 20];
}

std::uint64_t trace_store::dropped() const noexcept {
  if (!limits_.is_flight() || laps_ == 0) return lost_;
  const auto used = static_cast<std::uint64_t>(cursor_ - chunks_.front().get());
  return (laps_ - 1) * limits_.records() + used;
}

void trace_store::clear() noexcept {
  lost_ = laps_ = 0;
  if (limits_.is_flight()) {
    cursor_ = chunks_.front().get();
    return;
  }
  chunks_.clear();
  cursor_ = end_ = nullptr;
}

}  // namespace sheaf::runtime
