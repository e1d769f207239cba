#pragma once

#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/task_state.hpp>
#include <sheaf/limit.hpp>
#include <sheaf/runtime/frame_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

namespace sheaf::detail {

/// When a child began and ended, in nanoseconds of the loop's clock; 0: not, or not known.
struct child_times {
  std::uint64_t started = 0;
  std::uint64_t ended = 0;
};

/// What became of one child: what a child_report is made from.
class child_row {
 public:
  /// What most have nothing of.
  struct extra {
    std::exception_ptr error;
    std::string name;  // if it was given one
  };

  /// The child of that number, as it is now. May throw std::bad_alloc.
  child_row(const future_state& child, std::size_t i, child_times times)
      : child_row(i, times, child) {
    cause = child.cause();
    if (child.failed() || is_named(child)) more = extra_of(child);
  }
  /// The same of a child that is_plain(); throws nothing.
  child_row(std::size_t i, child_times times, const future_state& child) noexcept
      : index(i & max_index),
        status(child.status()),
        task(child.is_task() ? static_cast<const task_state&>(child).id() : 0),
        when(times) {}

  /// It gave a value, and has no name of its own.
  static bool is_plain(const future_state& child) noexcept {
    return child.status() == future_status::value && !is_named(child);
  }

  static constexpr std::uint64_t max_index = ~std::uint64_t{0} >> 8;

  std::uint64_t index : 56;
  future_status status : 8;  // pending: it was left to run on
  std::uint64_t task;        // its id; 0: it was a future
  child_times when;
  cancel_ref cause;
  std::unique_ptr<const extra> more;

 private:
  static bool is_named(const future_state& child) noexcept {
    return child.is_task() && static_cast<const task_state&>(child).named();
  }
  static std::unique_ptr<const extra> extra_of(const future_state& child);
};

void sort_by_index(std::vector<child_row>& rows);

/// What became of the children of a join that failed: taken down when it ends, so that no
/// child is kept for it. Most joins have none.
struct child_table {
  /// While the join runs, if its children do not start all at once: when each did, by place.
  std::unique_ptr<std::uint64_t[]> starts;
  std::vector<child_row> rows;
};

/// The children that have ended of a combinator that goes on to others, which may be for
/// ever: the last of them, as many as keep() says. In blocks of the pool, of which the oldest
/// is used again.
class child_log {
 public:
  static constexpr std::size_t all = static_cast<std::size_t>(-1);

  child_log() = default;
  child_log(const child_log&) = delete;
  child_log& operator=(const child_log&) = delete;
  ~child_log() { clear(); }

  /// From now on; the oldest go if there are more.
  void keep(std::size_t n) noexcept {
    trim();
    room_ = n;
    trim();
  }
  /// Out of memory it is left out: what happened to the others is worth more.
  void add(const future_state& child, std::size_t index, child_times when) noexcept {
    if (at_ == end_ || !child_row::is_plain(child)) [[unlikely]]
      return add_other(child, index, when);
    std::construct_at(at_++, index, when, child);
  }
  /// Takes them out, in the order in which they ended.
  std::vector<child_row> take();
  void clear() noexcept;

 private:
  struct block : runtime::pooled {
    static constexpr std::size_t rows = 12;

    block() noexcept {}
    ~block() {}
    child_row* begin() noexcept { return &row[0]; }

    block* next = nullptr;
    union {
      child_row row[rows];
    };
  };

  /// Rows, those that are passed over included.
  std::size_t size() const noexcept {
    return blocks_ * block::rows - static_cast<std::size_t>(end_ - at_);
  }
  void add_other(const future_state& child, std::size_t index, child_times when) noexcept;
  bool begin_block();
  void append(block& b) noexcept;
  block* drop_first() noexcept;
  void trim() noexcept;

  child_row* at_ = nullptr;  // the next one, in the last block
  child_row* end_ = nullptr;
  block* first_ = nullptr;
  block* last_ = nullptr;
  std::size_t blocks_ = 0;
  std::size_t passed_over_ = 0;  // of the first block: more than are to be kept
  std::size_t room_ = limit::usual_reports;
};

}  // namespace sheaf::detail
