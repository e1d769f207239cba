#pragma once

#include <sheaf/runtime/trace_record.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace sheaf::runtime {

/// Where a recorder keeps its records, in memory, and the strings that they name by short
/// ids.
///
/// Nothing here throws but the constructor: what finds no memory is counted in dropped().
/// Belongs to one thread. Owns copies of all names and texts.
class trace_store {
 public:
  explicit trace_store(trace_limits limits, std::uint64_t start_ns);
  ~trace_store();
  trace_store(const trace_store&) = delete;
  trace_store& operator=(const trace_store&) = delete;

  /// Stores one record as it is.
  void put(trace_kind kind, std::uint64_t task, std::uint16_t name, std::uint64_t a,
           std::uint32_t b, std::uint64_t at_ns) noexcept {
    if (cursor_ == end_ && !refill()) return;
    *cursor_++ = {at_ns, task, a, b, kind, name};
  }

  /// A short id for a name, the same for equal names. The table holds 4,096 different
  /// ones; all further names are "…". Keep names few: the number of a thing belongs
  /// beside its name.
  std::uint16_t intern(std::string_view name) noexcept;

  /// The same for static strings, which are told apart by their address first: about 1
  /// ns.
  std::uint16_t intern_literal(const char* name) noexcept {
    auto& slot = literals_[slot_of(name)];
    return slot.text == name ? slot.id : literal_miss(slot, name);
  }

  /// The same for the name of a function as the compiler prints it, which is shortened.
  std::uint16_t intern_function(const char* name) noexcept {
    auto& slot = functions_[slot_of(name)];
    return slot.text == name ? slot.id : function_miss(slot, name);
  }

  /// A place as 32 bits, file << 20 | line. 4,095 files and a million lines are told
  /// apart.
  std::uint32_t intern(trace_place place) noexcept {
    auto& slot = files_cache_[slot_of(place.file)];
    const std::uint32_t file =
        slot.text == place.file ? slot.id : file_miss(slot, place.file);
    return file << 20 | (place.line < 0xfffff ? place.line : 0xfffff);
  }

  /// Keeps a text that need not repeat: an error, a reason. Cut at 256 bytes; beyond 4
  /// MiB in all the answer is 0, as for an empty text.
  std::uint32_t text(std::string_view words) noexcept {
    return words.empty() ? 0 : text_miss(words);
  }

  // --- reading, for who writes it out

  /// The records in the order they were put; flight mode has the newest ones only.
  std::size_t size() const noexcept;
  const trace_record& operator[](std::size_t index) const noexcept;

  std::string_view name(std::uint16_t id) const noexcept;
  std::string_view text_of(std::uint32_t id) const noexcept;
  std::string_view file_of(std::uint32_t place) const noexcept;
  static std::uint32_t line_of(std::uint32_t place) noexcept { return place & 0xfffff; }

  /// Records that were lost: past the limit, overwritten by the ring, or without memory.
  std::uint64_t dropped() const noexcept;
  std::uint64_t start_ns() const noexcept { return start_ns_; }
  bool is_flight() const noexcept { return limits_.is_flight(); }

  /// Forgets all records and keeps names, texts and, in flight mode, memory.
  void clear() noexcept;

 private:
  static constexpr std::size_t chunk_shift = 16;
  static constexpr std::size_t chunk_size = std::size_t{1} << chunk_shift;
  struct cache_slot {
    const char* text = nullptr;
    std::uint16_t id = 0;
  };
  struct chunk_delete {
    void operator()(trace_record* records) const noexcept;
  };
  using chunk = std::unique_ptr<trace_record[], chunk_delete>;

  static std::size_t slot_of(const char* text) noexcept {
    return (reinterpret_cast<std::uintptr_t>(text) * 0x9e3779b97f4a7c15U) >> 58;
  }
  bool refill() noexcept;
  bool grow() noexcept;
  std::uint16_t literal_miss(cache_slot& slot, const char* name) noexcept;
  std::uint16_t function_miss(cache_slot& slot, const char* name) noexcept;
  std::uint16_t file_miss(cache_slot& slot, const char* file) noexcept;
  std::uint32_t text_miss(std::string_view words) noexcept;

  trace_record* cursor_ = nullptr;  // where the next record goes
  trace_record* end_ = nullptr;     // where the open chunk, or the ring, ends
  std::array<cache_slot, 64> literals_{};
  std::array<cache_slot, 64> functions_{};
  std::array<cache_slot, 64> files_cache_{};

  trace_limits limits_;
  std::uint64_t start_ns_;
  std::vector<chunk> chunks_;
  std::uint64_t laps_ = 0;  // how often the ring has wrapped
  std::uint64_t lost_ = 0;

  struct string_table;
  std::unique_ptr<string_table> strings_;
};

}  // namespace sheaf::runtime
