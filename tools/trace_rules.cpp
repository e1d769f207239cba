#include "trace_rules.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace sheaf::tools {

namespace {

constexpr std::string_view phases = "MXiCbesf";

// What one reader or another refuses, draws wrongly or lets go of.
constexpr std::array<const char*, 6> forbidden{"id2",      "bind_id", "flow_in",
                                               "flow_out", "sf",      "stack"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// digits '.' three digits, and then what ends a JSON number
bool is_exact(std::string_view text) {
  std::size_t whole = 0;
  while (whole < text.size() && is_digit(text[whole])) ++whole;
  const auto rest = text.substr(whole);
  return whole > 0 && rest.size() > 4 && rest[0] == '.' &&
         std::all_of(rest.begin() + 1, rest.begin() + 4, is_digit) &&
         std::string_view(",} \t\r\n").find(rest[4]) != std::string_view::npos;
}

bool is_hex_id(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  return text.starts_with("0x") && text.size() > 2 && text.size() <= 18 &&
         text.substr(2).find_first_not_of(digits) == text.npos;
}

bool is_whole(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() && *found != 0;
}

}  // namespace

void trace_rules::problem_at(std::size_t number, const std::string& words) {
  problems_.push_back("event " + std::to_string(number) + ": " + words);
}

// One line for all of them: a writer that prints one time wrongly prints all so.
void trace_rules::text(std::string_view text) {
  std::size_t count = 0;
  std::string first;
  for (const std::string_view key : {"\"ts\":", "\"dur\":"}) {
    for (auto at = text.find(key); at != text.npos; at = text.find(key, at + 1)) {
      auto number = text.substr(at + key.size());
      while (number.starts_with(' ')) number.remove_prefix(1);
      if (number.empty() || !(is_digit(number[0]) || number[0] == '-')) continue;
      if (is_exact(number) || count++ > 0) continue;
      number =
          number.substr(0, std::min<std::size_t>(number.find_first_of(",} \r\n"), 24));
      first = std::string(key) + std::string(number) + " at byte " + std::to_string(at);
    }
  }
  if (count == 0) return;
  problems_.push_back(std::to_string(count) +
                      " times not in us with exactly 3 decimals: " + first);
}

void trace_rules::event(const json& event) {
  ++number_;
  if (!event.is_object()) return problem("not an object");
  if (!common_fields(event)) return;
  switch (event["ph"].get_ref<const std::string&>()[0]) {
    case 'M':
      return metadata(event);
    case 'X':
      return complete(event);
    case 'i':
      return instant(event);
    case 'C':
      return counter(event);
    case 'b':
      return async(event, 'b');
    case 'e':
      return async(event, 'e');
    case 's':
      return arrow(event, 's');
    default:
      return arrow(event, 'f');
  }
}

// False when the event cannot be judged any further.
bool trace_rules::common_fields(const json& event) {
  const auto phase = text_or(event, "ph");
  if (phase.size() != 1 || phases.find(phase) == phases.npos) {
    return problem("ph is none of M X i C b e s f"), false;
  }
  label_ = text_or(event, "cat") + "/" + text_or(event, "name");
  if (text_or(event, "name").empty()) problem("no name");
  if (text_or(event, "cat").empty()) problem(label_ + ": no cat");
  for (const auto* key : forbidden) {
    if (event.contains(key))
      problem(label_ + ": has " + key + ", which readers differ on");
  }
  if (!is_whole(event, "pid") || !is_whole(event, "tid")) {
    return problem(label_ + ": pid and tid must be whole numbers above 0"), false;
  }
  thread_ = {event["pid"].get<std::int64_t>(), event["tid"].get<std::int64_t>()};
  if (phase == "M") return true;
  used_.insert(thread_);
  if (!has_time(event, "ts")) return false;
  if (ns_of(event, "ts") == 0) problem(label_ + ": ts is 0, which DevTools leaves out");
  return true;
}

bool trace_rules::has_time(const json& event, const char* key) {
  const auto found = event.find(key);
  if (found == event.end()) return problem(label_ + ": no " + key), false;
  if (!found->is_number()) return problem(label_ + ": " + key + " is no number"), false;
  if (found->get<double>() >= 0) return true;
  return problem(label_ + ": " + key + " is negative"), false;
}

void trace_rules::metadata(const json& event) {
  const auto name = text_or(event, "name");
  const bool named = !text_or(args_of(event), "name").empty();
  if (name == "process_name" && named) {
    process_named_ = true;
  } else if (name == "thread_name" && named) {
    threads_[thread_].name = true;
  } else if (name == "thread_sort_index" && args_of(event).contains("sort_index")) {
    threads_[thread_].sort_index = true;
  } else if (name != "process_labels" && name != "process_sort_index") {
    problem(label_ + ": metadata that readers do not know, or without its args");
  }
}

void trace_rules::complete(const json& event) {
  if (!has_time(event, "dur")) return;
  const auto begin = ns_of(event, "ts");
  slices_[thread_].push_back({begin, begin + ns_of(event, "dur"), number_});
  if (ns_of(event, "dur") == 0) problem(label_ + ": dur is 0");
}

void trace_rules::instant(const json& event) {
  const auto scope = text_or(event, "s");
  if (scope != "t" && scope != "p" && scope != "g")
    problem(label_ + ": s is none of t p g");
}

void trace_rules::counter(const json& event) {
  if (args_of(event).empty()) problem(label_ + ": a counter without args");
  for (const auto& [key, value] : args_of(event).items()) {
    if (!value.is_number()) problem(label_ + ": counter " + key + " is no number");
  }
}

std::string trace_rules::id_of(const json& event) {
  const auto found = event.find("id");
  if (found == event.end()) return problem(label_ + ": no id"), "";
  if (!found->is_string()) return problem(label_ + ": id is no string"), "";
  const auto id = found->get<std::string>();
  if (!is_hex_id(id))
    return problem(label_ + ": id " + id + " is not 0x and hex digits"), "";
  return id;
}

void trace_rules::async(const json& event, char phase) {
  const auto id = id_of(event);
  if (id.empty()) return;
  const auto key = std::pair(text_or(event, "cat"), id);
  const auto ns = ns_of(event, "ts");
  auto& last = last_edge_[key];
  if (ns < last) problem(label_ + ": " + id + " goes back in time");
  last = std::max(last, ns);
  auto& stack = spans_[key];
  const auto name = text_or(event, "name");
  if (phase == 'b') return stack.push_back({name, ns, number_});
  if (stack.empty()) return problem(label_ + ": an end of " + id + " without a begin");
  if (stack.back().name != name) {
    problem(label_ + ": ends while " + stack.back().name + " is the innermost of " + id);
  }
  stack.pop_back();
}

void trace_rules::arrow(const json& event, char phase) {
  const auto id = id_of(event);
  if (id.empty()) return;
  auto& arrow = flows_[id];
  auto& end = phase == 's' ? arrow.from : arrow.to;
  if (end) return problem(label_ + ": flow " + id + " is used again");
  end = flow_end{label_, thread_, ns_of(event, "ts"), number_};
  if (phase == 'f' && text_or(event, "bp") != "e") {
    problem(label_ + ": f without bp \"e\", which binds it to the next slice");
  }
}

// By begin, the longest first: then each slice is inside the top of the stack, or behind
// it.
void trace_rules::finish_slices(std::vector<slice>& slices) {
  std::sort(slices.begin(), slices.end(), [](const slice& a, const slice& b) {
    return std::tuple(a.begin, b.end, a.number) < std::tuple(b.begin, a.end, b.number);
  });
  std::size_t open = 0;  // 1 + the innermost slice that may still hold the next
  for (std::size_t i = 0; i < slices.size(); ++i) {
    auto& next = slices[i];
    while (open != 0 && slices[open - 1].end < next.begin) open = slices[open - 1].outer;
    next.outer = open;
    open = i + 1;
    if (next.outer == 0) continue;
    const auto& around = slices[next.outer - 1];
    if (next.begin > around.begin && next.end < around.end) continue;
    problem_at(next.number, "slice overlaps or touches that of event " +
                                std::to_string(around.number) +
                                ", where 1 ns must lie between any two edges");
  }
}

void trace_rules::finish_end(const flow_end& end, const std::string& id) {
  const auto& slices = slices_[end.on];
  const auto behind =
      std::upper_bound(slices.begin(), slices.end(), end.ns,
                       [](std::uint64_t ns, const slice& s) { return ns < s.begin; });
  auto at = static_cast<std::size_t>(behind - slices.begin());
  while (at != 0 && slices[at - 1].end <= end.ns) at = slices[at - 1].outer;
  if (at != 0) return;
  problem_at(end.number, end.label + ": flow " + id + " ends outside of all slices");
}

void trace_rules::finish_arrow(const std::string& id, const flow& arrow) {
  if (!arrow.from) {
    return problem_at(arrow.to->number, arrow.to->label + ": flow " + id + " has no s");
  }
  finish_end(*arrow.from, id);
  if (!arrow.to) {
    return problem_at(arrow.from->number,
                      arrow.from->label + ": flow " + id + " has no f");
  }
  finish_end(*arrow.to, id);
  if (arrow.from->label != arrow.to->label) {
    problem_at(arrow.to->number, arrow.to->label + ": flow " + id + " is " +
                                     arrow.from->label + " at its other end");
  }
  if (arrow.to->ns < arrow.from->ns) {
    problem_at(arrow.to->number,
               arrow.to->label + ": flow " + id + " ends before it begins");
  }
}

void trace_rules::finish(const json& rest) {
  for (auto& [on, slices] : slices_) finish_slices(slices);
  for (const auto& [id, arrow] : flows_) finish_arrow(id, arrow);
  for (const auto& [key, stack] : spans_) {
    for (const auto& open : stack) {
      problem_at(open.number,
                 key.first + "/" + open.name + ": " + key.second + " never ends");
    }
  }
  if (!used_.empty() && !process_named_) problems_.push_back("no process_name");
  for (const auto& on : used_) {
    const auto& known = threads_[on];
    if (known.name && known.sort_index) continue;
    problems_.push_back("thread " + std::to_string(on.second) +
                        " has no thread_name or no thread_sort_index");
  }
  const auto unit =
      text_or(rest, "displayTimeUnit", rest.contains("displayTimeUnit") ? "?" : "ms");
  if (unit != "ms" && unit != "ns")
    problems_.push_back("displayTimeUnit is neither ms nor ns");
  if (!rest.contains("traceEvents")) problems_.push_back("not the object form");
  const auto found = rest.find("metadata");
  const auto schema =
      found != rest.end() && found->is_object() ? text_or(*found, "schema") : "";
  if (schema != "sheaf-trace/1")
    problems_.push_back("metadata.schema is not sheaf-trace/1");
}

}  // namespace sheaf::tools
