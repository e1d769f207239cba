#pragma once

#include <sheaf/detail/child_table.hpp>
#include <sheaf/detail/future_state.hpp>
#include <sheaf/detail/join_policy.hpp>
#include <sheaf/detail/task_state.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <source_location>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace sheaf::detail {

/// A child of a join, and the join's registration with it. Holds a reference to the child
/// from add() until the join has ended.
struct join_link {
  /// What becomes of the registration when the child has ended and the join looks at it.
  struct end {
    watcher*
        unregistered;  // null, where a watcher has what tells that it is not registered
    join_link* next;   // which ended after it
    std::uint64_t at;  // nanoseconds of the loop's clock; 0: it was let go before
  };

  join_link() noexcept {}

  union {
    watcher registration;
    end ended;
  };
  future_state* child;
};

/// Room for the links of a join; add() fills them. They must not move from then on.
class join_links {
 public:
  explicit join_links(std::size_t size)
      : links_(static_cast<join_link*>(
            runtime::frame_pool::allocate_object(bytes_of(size)))),
        size_(size) {
    std::uninitialized_default_construct_n(links_, size);
  }
  join_links(const join_links&) = delete;
  join_links& operator=(const join_links&) = delete;
  ~join_links() { runtime::frame_pool::deallocate_object(links_, bytes_of(size_)); }
  join_link* get() const noexcept { return links_; }

 private:
  // The pool has no blocks of nothing.
  static constexpr std::size_t bytes_of(std::size_t size) noexcept {
    return (size != 0 ? size : 1) * sizeof(join_link);
  }

  join_link* const links_;
  const std::size_t size_;
};

/// The future that gather(), race(), quorum() and the like give: the untyped part, one core
/// for all of them. A join_policy says when it is settled and what happens to the rest;
/// begin() says how many children run at a time.
///
/// Counts its children and keeps what decided. A child that settles is counted at once; what
/// follows from it happens one batch later, when asyncio's done callback would run. Holds
/// itself while a child is watched.
class join_state : public future_state {
 public:
  bool cancel(const cancel_ref& cause) noexcept final;
  void settled(watcher& w) noexcept final;
  void run() noexcept final;
  void drop() noexcept final;
  const char* kind() const noexcept final { return policy_->name; }
  const future_state* settles() const noexcept final { return this; }
  std::uint64_t trace_id() const noexcept final { return id_; }
  bool is_work() const noexcept final { return true; }

  /// What became of the children; null unless it has failed.
  const child_table* table() const noexcept { return failed() ? table_.get() : nullptr; }

  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

 protected:
  ~join_state() override = default;

  join_state(loop_core& l, const join_policy& policy) noexcept
      : future_state(l),
        policy_(&policy),
        attentive_(policy.attentive()),
        id_(l.next_join_id()) {}

  /// For settles::by_enough: as many values of `size` children are wanted.
  void want(std::size_t values, std::size_t size) noexcept {
    wanted_ = values;
    spare_ = size - values;
  }

  /// Where the links are; add() fills them in order. They must not move from then on.
  void set_links(join_link* links) noexcept { links_ = links; }
  /// Children start one after the other: takes down when, for up to `size` links.
  void time_starts(std::size_t size) {
    table_ = std::make_unique<child_table>();
    table_->starts = std::make_unique<std::uint64_t[]>(size);
  }

  /// Takes over a reference to the next child.
  void add(state_ref child) noexcept { put(links_[size_++], std::move(child)); }
  /// The same, of a task that was made for this join: nothing has happened to it yet.
  void add_new(state_ref child) noexcept {
    join_link& l = links_[size_++];
    std::construct_at(&l.registration);
    l.child = child.detach();
    ++running_;
    l.child->watch_alone(l.registration, *this);
  }
  void put(join_link& l, state_ref child) noexcept {
    std::construct_at(&l.registration);
    l.child = child.detach();
    if (!l.child->done()) [[likely]] {
      ++running_;
      l.child->watch(l.registration, *this);
    } else {
      l.ended = {nullptr, nullptr, loop().batch_time()};
      if (l.child->status() != future_status::value || attentive_) [[unlikely]]
        note(l);
    }
  }

  /// Starts what was made deferred, `limit` at a time, or the making of what comes later;
  /// settles at once if all are done (GATHER-20).
  void begin(std::size_t limit) noexcept;

  /// Lets go of the children of a join that could not be completed; those that were made for
  /// it do not run. For the destructor of who has the links.
  void leave_children() noexcept {
    if (size_ != 0) [[unlikely]]
      leave_all();
  }

  std::span<join_link> links() const noexcept { return {links_, size_}; }
  /// Lets go of one child, which is a Task if it is one of ours.
  template <class Task>
  void release_child(join_link& l) noexcept {
    future_state& c = *std::exchange(l.child, nullptr);
    child_of_call(c) ? static_cast<Task&>(c).template release_as<Task>() : c.release();
  }
  /// Each was let go of by release_child().
  void children_released() noexcept { size_ = 0; }

  std::size_t size() const noexcept { return size_; }
  future_state& child(std::size_t i) const noexcept { return *links_[i].child; }
  std::size_t place_of(const join_link& l) const noexcept {
    return static_cast<std::size_t>(&l - links_);
  }

  /// The ends that count, in the order of time: those of all children if the policy is
  /// attentive, else those that were not values.
  join_link* first_end() const noexcept { return first_end_; }
  /// Takes the first of them out.
  join_link* take_end() noexcept;
  /// The child that decided; of a race, the one that won.
  const join_link& decisive() const noexcept { return *decisive_; }

  /// Puts the result together from the children, which all have settled. May throw.
  virtual void collect() = 0;

  // ---- for children that are the caller's ----
  virtual bool handed_over(std::size_t) const noexcept { return true; }

  // ---- for supply::later ----
  /// Makes children as there is room; ends with close_supply() when there are no more.
  virtual void refill() noexcept {}
  virtual void supply_closed() noexcept {}
  /// All children have ended: what they were made from can go.
  virtual void supply_ended() noexcept {}
  bool open() const noexcept { return verdict_ == verdict::open; }
  bool wants_more() const noexcept { return supplying_ && open(); }
  void close_supply() noexcept;
  /// put() for a child that was made just now; it is cancelled if the join was meanwhile.
  void put_late(join_link& l, state_ref child) noexcept;
  join_link& next_link() noexcept { return links_[size_++]; }
  /// `l` is a failure of the whole whatever the policy says.
  void fail_with(join_link& l) noexcept;
  /// Of settles::by_enough.
  std::size_t spare() const noexcept { return spare_; }
  /// Has run() called in the next batch.
  void queue() noexcept;

  // ---- for the table: places are links, rows are arguments or elements ----
  virtual std::size_t row_of(std::size_t place) const noexcept { return place; }
  /// Of children that are in no place any more.
  virtual std::vector<child_row> early_rows() { return {}; }
  child_times times_of(std::size_t place, bool done) const noexcept;
  /// How many there will be, as far as is known; for the trace.
  virtual std::size_t expected() const noexcept { return size_; }

 private:
  enum class verdict : std::uint8_t { open, value, failure };

  void leave_all() noexcept;
  static bool ended_with_loop(const future_state& child) noexcept;
  void cancel_as(const cancel_ref& cause) noexcept;
  void note(join_link& l) noexcept;
  void weigh(join_link& l, bool good) noexcept;
  bool counts_as_seen(const join_link& l) const noexcept;
  void decide(verdict v, const join_link& by) noexcept;
  void settled_unusually(join_link& l) noexcept;
  void hold_back(std::size_t limit) noexcept;
  void start_next() noexcept;
  void note_start(std::size_t place) noexcept;
  static bool is_held(const future_state& c) noexcept;
  inline void go_on() noexcept;
  void end_the_rest() noexcept;
  bool is_ours(std::size_t place) const noexcept;
  bool stop_children(const cancel_ref& cause) noexcept;
  bool pass_to_children(const cancel_ref& cause) noexcept;
  bool put_off(const cancel_ref& cause) noexcept;
  void hold_in(join_state*& list) noexcept;
  void tell_put_off() noexcept;
  void let_go(join_link& l) noexcept;
  void finish() noexcept;
  inline void settle_result() noexcept;
  void settle_as_failed() noexcept;
  void settle_with_all_failures() noexcept;
  std::vector<exception_context> all_failures() const;
  void settle_as_cancelled(const cancel_ref& cause) noexcept;
  void fill_table() noexcept;
  void add_row(child_table& table, std::size_t place) const;
  void release_children() noexcept;
  void trace_begin() noexcept;
  void trace_end() noexcept;

  join_link* links_ = nullptr;
  std::size_t size_ = 0;
  std::size_t running_ = 1;    // that have not ended; one until begin(), one for a supply
  std::size_t held_back_ = 0;  // the last children, which a limit has not let start
  const join_policy* policy_;
  verdict verdict_ = verdict::open;
  bool attentive_;  // an end with a value needs more than to be counted
  bool queued_ = false;
  bool reacted_ = false;  // to the verdict
  bool cancel_requested_ = false;
  bool supplying_ = false;
  std::uint32_t id_;
  const join_link* decisive_ = nullptr;
  join_link* first_end_ = nullptr;
  join_link* last_end_;  // if there is a first
  std::size_t wanted_;   // values, for settles::by_enough
  std::size_t spare_;    // failures that it can bear
  std::uint64_t began_;  // nanoseconds of the loop's clock
  std::unique_ptr<child_table> table_;
  join_state* deep_next_ = nullptr;  // in a list of deep_requests
};

}  // namespace sheaf::detail
