#pragma once

#include "trace_reader.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sheaf::tools {

/// The rules of docs/trace.md that a schema can and cannot say: what an event must hold,
/// how slices nest, how async slices pair, where arrows end. Fed with events in the
/// file's order, then finish().
class trace_rules {
 public:
  /// Each violation is one line without the file's name.
  const std::vector<std::string>& problems() const { return problems_; }

  /// The text of the file, for what parsing hides: how times are printed.
  void text(std::string_view text);
  void event(const json& event);
  void finish(const json& rest);

 private:
  using thread = std::pair<std::int64_t, std::int64_t>;  // pid, tid
  struct slice {
    std::uint64_t begin;
    std::uint64_t end;
    std::size_t number;
    std::size_t outer = 0;  // 1 + the place of the slice around it, known when sorted
  };
  struct span {
    std::string name;
    std::uint64_t begin;
    std::size_t number;
  };
  struct flow_end {
    std::string label;
    thread on;
    std::uint64_t ns;
    std::size_t number;
  };
  struct flow {
    std::optional<flow_end> from;
    std::optional<flow_end> to;
  };
  struct names {
    bool name = false;
    bool sort_index = false;
  };

  void problem(const std::string& words) { problem_at(number_, words); }
  void problem_at(std::size_t number, const std::string& words);
  bool common_fields(const json& event);
  bool has_time(const json& event, const char* key);
  void metadata(const json& event);
  void complete(const json& event);
  void instant(const json& event);
  void counter(const json& event);
  void async(const json& event, char phase);
  void arrow(const json& event, char phase);
  std::string id_of(const json& event);

  void finish_slices(std::vector<slice>& slices);
  void finish_arrow(const std::string& id, const flow& arrow);
  void finish_end(const flow_end& end, const std::string& id);

  std::vector<std::string> problems_;
  std::size_t number_ = 0;
  thread thread_;
  std::string label_;
  std::set<thread> used_;
  bool process_named_ = false;
  std::map<thread, names> threads_;
  std::map<thread, std::vector<slice>> slices_;
  std::map<std::pair<std::string, std::string>, std::vector<span>> spans_;  // by cat, id
  std::map<std::pair<std::string, std::string>, std::uint64_t> last_edge_;
  std::map<std::string, flow> flows_;
};

}  // namespace sheaf::tools
