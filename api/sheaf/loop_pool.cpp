#include <sheaf/detail/thread_call.hpp>
#include <sheaf/loop_pool.hpp>
#include <sheaf/runtime/sigpipe_guard.hpp>

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace sheaf {

namespace detail {

namespace {

/// One loop and its thread.
class pool_member {
 public:
  explicit pool_member(const loop_pool_options& o) : loop_(o.loop()) {
    if (o.exception_handler()) loop_.set_exception_handler(o.exception_handler());
    core().expect_threads(+1);  // runs also while it has nothing to do
    try {
      thread_ = std::thread([this] { serve(); });
      id_ = thread_.get_id();
    } catch (...) {
      core().expect_threads(-1);
      throw;
    }
  }
  pool_member(const pool_member&) = delete;
  pool_member& operator=(const pool_member&) = delete;
  ~pool_member() { join(); }

  sheaf::loop& loop() noexcept { return loop_; }
  bool runs_here() const noexcept { return id_ == std::this_thread::get_id(); }

  /// Once; any thread.
  void ask_to_end() {
    static_cast<void>(loop_.call_soon_threadsafe([this] {
      ending_ = true;
      core().expect_threads(-1);
      core().stop();
    }));
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  loop_core& core() noexcept { return loop_.tasks(); }

  void serve() noexcept {
    while (!ending_) attempt([this] { static_cast<void>(core().drive()); });
    attempt([this] { core().shut_down_tasks("the loop pool was closed"); });
    attempt([this] { close_generators(loop_); });
    loop_.close();
  }
  template <class F>
  void attempt(F f) noexcept {
    try {
      f();
    } catch (...) {
      core().report(
          {.message = "an exit was asked for on a loop of a pool, which goes on",
           .exception = std::current_exception()});
    }
  }

  sheaf::loop loop_;
  bool ending_ = false;
  std::thread thread_;
  std::thread::id id_;  // kept when it is joined
};

}  // namespace

class pool_threads {
 public:
  pool_threads(std::size_t n, const loop_pool_options& o) {
    members_.reserve(n);
    try {
      while (members_.size() < n) members_.push_back(std::make_unique<pool_member>(o));
    } catch (...) {
      end();
      throw;
    }
  }

  std::size_t size() const noexcept { return members_.size(); }
  sheaf::loop& at(std::size_t i) const noexcept { return members_[i]->loop(); }
  sheaf::loop& next() noexcept {
    return at(next_.fetch_add(1, std::memory_order_relaxed) % size());
  }
  bool runs_here() const noexcept {
    return std::ranges::any_of(members_, [](const auto& m) { return m->runs_here(); });
  }
  void ask_to_end() {
    if (asked_.exchange(true)) return;
    for (const auto& m : members_) m->ask_to_end();
  }
  void join() {
    const std::lock_guard one_at_a_time(joining_);
    for (const auto& m : members_) m->join();
  }
  void end() {
    ask_to_end();
    join();
  }

 private:
  const runtime::sigpipe_guard sigpipe_;
  std::vector<std::unique_ptr<pool_member>> members_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> asked_{false};
  std::mutex joining_;
};

}  // namespace detail

namespace {

void refuse_on_own_thread(const detail::pool_threads& threads, const char* what) {
  if (!threads.runs_here()) return;
  throw invalid_state(std::string(what) +
                      ": a thread of the pool cannot wait for its own end; call it from "
                      "another one");
}

}  // namespace

loop_pool::loop_pool() : loop_pool(std::max(1U, std::thread::hardware_concurrency())) {}

loop_pool::loop_pool(std::size_t n, const loop_pool_options& options) {
  if (n == 0) throw std::invalid_argument("loop_pool: it needs a loop at least");
  threads_ = std::make_shared<detail::pool_threads>(n, options);
}

loop_pool::~loop_pool() { close(); }

std::size_t loop_pool::size() const noexcept { return threads_->size(); }
loop& loop_pool::operator[](std::size_t i) const noexcept { return threads_->at(i); }
loop& loop_pool::next() const noexcept { return threads_->next(); }

void loop_pool::close() {
  refuse_on_own_thread(*threads_, "loop_pool::close");
  threads_->end();
}

// It has the threads: the pool may go before this begins.
coro<> loop_pool::shut_down(std::shared_ptr<detail::pool_threads> threads) {
  refuse_on_own_thread(*threads, "loop_pool::shutdown");
  threads->ask_to_end();
  auto& here = detail::loop_core::current("loop_pool::shutdown");
  const auto join = [](const std::shared_ptr<detail::pool_threads>& t) { t->join(); };
  const auto joined = detail::call_on(here, here.joiner(), "loop_pool::shutdown",
                                      detail::with_context::no, join, threads);
  co_await joined;
}

}  // namespace sheaf
