#include <sheaf/runtime/trace_json.hpp>

#include <sheaf/runtime/detail/trace_events.hpp>
#include <sheaf/runtime/detail/trace_layout.hpp>
#include <sheaf/runtime/detail/trace_tasks.hpp>
#include <sheaf/runtime/detail/uv.hpp>
#include <sheaf/runtime/trace.hpp>

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <ostream>
#include <system_error>
#include <unordered_map>

namespace sheaf::runtime {

namespace {

using detail::trace_layout;
using index = trace_layout::index;

std::uint32_t this_process() { return static_cast<std::uint32_t>(uv_os_getpid()); }

std::uint32_t this_thread() {
#ifdef __linux__
  return static_cast<std::uint32_t>(::gettid());
#else
  return this_process();
#endif
}

// Prints a layout event by event: slices and instants here, what spans steps in
// trace_tasks.
class writer {
 public:
  writer(const trace_recorder& recorder, const trace_meta& meta,
         detail::trace_events::sink sink)
      : recorder_(recorder),
        meta_(meta),
        tid_(meta.tid != 0 ? meta.tid : this_thread()),
        layout_(recorder),
        events_(std::move(sink), meta.pid != 0 ? meta.pid : this_process(), tid_),
        tasks_(recorder, events_) {
    for (const auto i : layout_.foreign()) ran_[recorder_[i].task];
    for (std::size_t i = 0; i < recorder.size(); ++i) {
      if (recorder[i].kind != trace_kind::work_submitted) continue;
      const auto ran = ran_.find(recorder[i].a);
      if (ran != ran_.end()) ran->second.submit_ahead = true;
    }
  }

  void run() {
    events_.plain("{\"traceEvents\":[\n");
    thread_names();
    layout_.visit(*this);
    foreign_until(layout_.end_ns());
    tasks_.finish(layout_.end_ns());
    // With "ms" catapult nests slices by their times rounded to us.
    events_.plain("\n],\n\"displayTimeUnit\":\"ns\",\n\"metadata\":");
    events_.plain(metadata());
    events_.plain("}\n");
    events_.flush();
  }

  // The visitor of the layout.

  void open(index i) {
    ++depth_;
    const auto ns = layout_.open_ns(i);
    foreign_until(ns);
    const auto& slice = layout_.record(i);
    if (slice.kind == trace_kind::task_step) {
      tasks_.step_began(slice.task, slice.name, ns);
    }
    slice_begin(slice, ns).time("dur", layout_.at_ns(i) - ns).args();
    slice_args(slice);
    events_.close();
    if (layout_.arrow(i) != trace_layout::none) arrow('f', layout_.arrow(i), ns + 1);
  }

  void close(index) { --depth_; }

  void point(index i) {
    const auto ns = layout_.at_ns(i);
    foreign_until(ns);
    const auto& entry = layout_.record(i);
    instant(entry, ns);
    tasks_.point(entry, ns);
    if (layout_.arrow(i) != trace_layout::none) arrow('s', i, ns);
    if (entry.kind == trace_kind::work_submitted) submitted(i, ns);
  }

 private:
  void thread_names() {
    const auto process = meta_.process.empty() ? std::string("sheaf") : meta_.process;
    meta_event("process_name").args().text("name", process).close();
    name_thread(tid_, meta_.loop, 0);
    std::map<std::uint32_t, std::uint64_t> pool;
    for (const auto i : layout_.foreign()) pool.try_emplace(recorder_[i].b, pool.size());
    for (const auto& [tid, number] : pool) {
      name_thread(tid, "pool " + std::to_string(number), number + 1);
    }
    events_.thread(tid_);
  }

  detail::trace_events& meta_event(const char* name) {
    return events_.open('M', "__metadata", detail::quoted(name), 0);
  }

  void name_thread(std::uint32_t tid, const std::string& name, std::uint64_t place) {
    events_.thread(tid);
    meta_event("thread_name").args().text("name", name).close();
    meta_event("thread_sort_index").args().number("sort_index", place).close();
  }

  detail::trace_events& slice_begin(const trace_record& slice, std::uint64_t ns) {
    switch (slice.kind) {
      case trace_kind::poll:
        return events_.open('X', "loop", "\"poll\"", ns);
      case trace_kind::iteration:
        return events_.open('X', "loop", "\"iteration\"", ns);
      case trace_kind::callback:
        return events_.open('X', "cb", tasks_.quoted_name(slice.name), ns);
      default: {
        const auto name = tasks_.name_of(slice.task, slice.name);
        return events_.open('X', "task", name, ns);
      }
    }
  }

  void slice_args(const trace_record& slice) {
    switch (slice.kind) {
      case trace_kind::poll:
        // -1, "for ever", is no number of milliseconds.
        if (static_cast<int>(slice.b) >= 0) events_.number("timeout_ms", slice.b);
        return;
      case trace_kind::iteration:
        events_.number("callbacks", slice.b).number("steps", slice.task);
        return;
      case trace_kind::task_step:
        events_.number("task", slice.task).number("step", slice.b);
        return;
      default:
        return;
    }
  }

  // The kind of an arrow is what its source is; `source` makes the id, as each has one
  // arrow.
  void arrow(char end, index source, std::uint64_t ns) {
    const auto kind = layout_.record(source).kind;
    const auto* name = kind == trace_kind::task_spawned  ? "\"spawn\""
                       : kind == trace_kind::task_cancel ? "\"cancel\""
                                                         : "\"wake\"";
    arrow_end(end, name, source + std::uint64_t{1}, ns);
  }

  // Outside of all slices an arrow would have no tail, and without the work no head.
  void submitted(index i, std::uint64_t ns) {
    const auto& entry = layout_.record(i);
    const auto id = depth_ > 0 && ran_.contains(entry.a) ? i + std::uint64_t{1} : 0;
    if (id != 0) arrow_end('s', "\"submit\"", id, ns);
    submits_[entry.a] = {ns, entry.task, id};
    const auto ran = ran_.find(entry.a);
    if (ran == ran_.end()) return;
    ran->second.submit_ahead = false;
    if (ran->second.overdue != nullptr) foreign(*ran->second.overdue);
  }

  void arrow_end(char end, const char* name, std::uint64_t id, std::uint64_t ns) {
    events_.open(end, "flow", name, ns).id(id);
    if (end == 'f') events_.raw("bp", "\"e\"");
    events_.close();
  }

  void instant(const trace_record& entry, std::uint64_t ns);
  void counters(const trace_record& entry, std::uint64_t ns);
  void timer(const trace_record& entry, std::uint64_t ns);
  detail::trace_events& instant_begin(const char* cat, std::string_view name, char scope,
                                      std::uint64_t ns) {
    const char text[] = {'"', scope, '"', '\0'};
    return events_.open('i', cat, name, ns).raw("s", text).args();
  }
  void at(const char* key, std::uint32_t place) {
    const auto text = detail::place_text(recorder_, place);
    if (!text.empty()) events_.text(key, text);
  }

  // Slices of the pool that began before `ns`, so that the file stays sorted.
  void foreign_until(std::uint64_t ns) {
    const auto& all = layout_.foreign();
    for (; next_foreign_ < all.size(); ++next_foreign_) {
      const auto& work = recorder_[all[next_foreign_]];
      if (layout_.relative(work.at_ns) > ns) return;
      // Times moved by a few ns may put a begin before its submit, which is still to
      // come.
      auto& ran = ran_[work.task];
      if (ran.submit_ahead) {
        ran.overdue = &work;
      } else {
        foreign(work);
      }
    }
  }
  void foreign(const trace_record& work);
  std::string metadata() const;

  struct run_state {
    bool submit_ahead = false;              // in the layout, and not printed yet
    const trace_record* overdue = nullptr;  // the work, waiting for its submit
  };
  struct submit {
    std::uint64_t ns;
    std::uint64_t task;
    std::uint64_t arrow;  // the id of its flow, 0 for none
  };
  struct armed {
    std::uint64_t number;
    std::uint64_t task;
  };
  const trace_recorder& recorder_;
  const trace_meta& meta_;
  std::uint32_t tid_;
  trace_layout layout_;
  detail::trace_events events_;
  detail::trace_tasks tasks_;
  int depth_ = 0;  // of the open slices
  std::size_t next_foreign_ = 0;
  std::unordered_map<std::uint64_t, run_state> ran_;  // by request whose work is recorded
  std::map<std::uint64_t, submit> submits_;           // by request
  std::map<std::uint32_t, std::uint64_t> busy_until_;  // by thread
  std::unordered_map<std::uint32_t, armed> timers_;    // by the id of their record
  std::uint64_t last_timer_ = 0;
};

void writer::instant(const trace_record& entry, std::uint64_t ns) {
  switch (entry.kind) {
    case trace_kind::timer_arm:
    case trace_kind::timer_fire:
    case trace_kind::timer_disarm:
      return timer(entry, ns);
    case trace_kind::task_cancel:
      instant_begin("task", "\"task.cancel\"", 't', ns);
      tasks_.cause(entry);
      break;
    case trace_kind::task_orphan:
      instant_begin("task", "\"task.orphan\"", 't', ns);
      break;
    case trace_kind::blocked:
      instant_begin("warn", "\"loop.blocked\"", 'p', ns);
      events_.number("us", entry.a & 0xffffffff);
      at("at", entry.b);
      at("from", static_cast<std::uint32_t>(entry.a >> 32));
      break;
    case trace_kind::unretrieved:
      instant_begin("warn", "\"future.unretrieved\"", 'p', ns);
      events_.text("error", recorder_.text_of(entry.b));
      break;
    case trace_kind::mark:
      instant_begin("mark", tasks_.quoted_name(entry.name), 't', ns);
      break;
    case trace_kind::counters:
      return counters(entry, ns);
    default:
      return;
  }
  events_.number("task", entry.task).close();
}

// Numbered in the order of arming: what the loop calls them by is used again.
void writer::timer(const trace_record& entry, std::uint64_t ns) {
  const bool arms = entry.kind == trace_kind::timer_arm;
  auto known = timers_.find(entry.b);
  if (arms || known == timers_.end()) {
    known = timers_.insert_or_assign(entry.b, armed{++last_timer_, entry.task}).first;
  }
  const auto& which = known->second;
  const auto* const name = arms                                   ? "\"timer.arm\""
                           : entry.kind == trace_kind::timer_fire ? "\"timer.fire\""
                                                                  : "\"timer.disarm\"";
  instant_begin("timer", name, 't', ns).number("timer", which.number);
  if (arms) events_.number("due_us", layout_.relative(entry.a) / 1000);
  if (entry.kind == trace_kind::timer_fire) events_.number("late_us", entry.a / 1000);
  events_.number("task", which.task).close();
  if (!arms) timers_.erase(known);
}

void writer::counters(const trace_record& entry, std::uint64_t ns) {
  events_.open('C', "loop", "\"ready\"", ns).args().number("depth", entry.a).close();
  events_.open('C', "loop", "\"timers\"", ns).args().number("armed", entry.task).close();
  events_.open('C', "loop", "\"tasks\"", ns).args().number("live", entry.b).close();
}

void writer::foreign(const trace_record& work) {
  auto& free_from = busy_until_[work.b];
  const auto known = submits_.find(work.task);
  const auto earliest = known != submits_.end() ? known->second.ns : 0;
  const auto begin =
      std::max({layout_.relative(work.at_ns), free_from + 1, earliest + 1});
  const auto end = std::max(layout_.relative(work.a), begin + 2);
  free_from = end;
  events_.thread(work.b);
  events_.open('X', "pool", tasks_.quoted_name(work.name), begin)
      .time("dur", end - begin);
  events_.args().number("request", work.task);
  if (known != submits_.end()) {
    events_.number("task", known->second.task);
    events_.number("queued_us", (begin - earliest) / 1000);
  }
  events_.close();
  if (known != submits_.end() && known->second.arrow != 0) {
    arrow_end('f', "\"submit\"", known->second.arrow, begin + 1);
  }
  events_.thread(tid_);
}

std::string writer::metadata() const {
  nlohmann::ordered_json meta = {
      {"schema", "sheaf-trace/1"},
      {"highres-ticks", true},
      {"clock", meta_.virtual_clock ? "virtual" : "CLOCK_MONOTONIC"},
      {"start_mono_ns", std::to_string(layout_.origin())},
      {"mode", recorder_.is_flight() ? "flight" : "full"},
      {"complete", meta_.complete},
      {"dropped", recorder_.dropped()},
      {"records", recorder_.size()},
      {"libuv", uv_version_string()},
  };
  if (meta_.start_unix_ns != 0) {
    meta["start_unix_ns"] = std::to_string(meta_.start_unix_ns);
  }
  if (!meta_.process.empty()) meta["argv0"] = meta_.process;
  return meta.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

void write_chrome_trace(std::ostream& out, const trace_recorder& recorder,
                        const trace_meta& meta) {
  const auto append = [&out](std::string_view block) {
    if (out.write(block.data(), static_cast<std::streamsize>(block.size()))) return;
    throw std::system_error(std::make_error_code(std::errc::io_error),
                            "cannot write a trace");
  };
  writer(recorder, meta, append).run();
}

trace_file::trace_file(const std::filesystem::path& path)
    : path_(path),
      descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) fail(errno, "open");
}

trace_file::~trace_file() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void trace_file::fail(int error, const char* verb) const {
  throw std::system_error(error, std::generic_category(),
                          std::string("cannot ") + verb + " the trace " + path_.string());
}

void trace_file::append(const char* data, std::size_t size) const {
  while (size > 0) {
    const auto written = ::write(descriptor_, data, size);
    if (written < 0 && errno != EINTR) fail(errno, "write");
    if (written <= 0) continue;
    data += written;
    size -= static_cast<std::size_t>(written);
  }
}

void trace_file::close() {
  const auto descriptor = descriptor_;
  descriptor_ = -1;
  if (::close(descriptor) != 0 && errno != EINTR) fail(errno, "close");
}

void trace_file::write(const trace_recorder& recorder, const trace_meta& meta) {
  writer(recorder, meta, [this](std::string_view block) {
    append(block.data(), block.size());
  }).run();
  close();
}

void write_chrome_trace(const std::filesystem::path& path, const trace_recorder& recorder,
                        const trace_meta& meta) {
  trace_file(path).write(recorder, meta);
}

}  // namespace sheaf::runtime
