// uv-baseline WORKLOAD N [REPS]: the same work as a state machine by hand on libuv, without
// coroutines, errors, cancellation or results that anybody could share. What is left is the
// price of the loop itself.
#include "clock.hpp"

#include <uv.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

namespace {

uv_loop_t* const loop = uv_default_loop();

/// Something to run in a later turn; whoever queues it keeps it.
struct node {
  virtual void run() = 0;
  node* next = nullptr;

 protected:
  ~node() = default;
};

/// FIFO on one idle handle, which is active only while there is something to run.
class ready_list {
 public:
  ready_list() {
    uv_idle_init(loop, &idle_);
    idle_.data = this;
  }
  void push(node& n) {
    n.next = nullptr;
    *tail_ = &n;
    tail_ = &n.next;
    if (!uv_is_active(handle())) {
      uv_idle_start(&idle_,
                    [](uv_idle_t* h) { static_cast<ready_list*>(h->data)->drain(); });
    }
  }

 private:
  uv_handle_t* handle() { return reinterpret_cast<uv_handle_t*>(&idle_); }

  // At most so many before libuv looks at its descriptors again.
  void drain() {
    for (int budget = 1024; head_ && budget > 0; --budget) {
      node* const n = head_;
      head_ = n->next;
      if (!head_) tail_ = &head_;
      n->run();
    }
    if (!head_) uv_idle_stop(&idle_);
  }

  uv_idle_t idle_;
  node* head_ = nullptr;
  node** tail_ = &head_;
};

ready_list& ready() {
  static ready_list list;
  return list;
}

void run_loop() { uv_run(loop, UV_RUN_DEFAULT); }

long long sum_of(const std::vector<long>& results) {
  return std::accumulate(results.begin(), results.end(), 0LL);
}

/// Jobs that each give way once and then store their result; the last goes on to the next.
class gathering {
 public:
  gathering(long n, long reps) : n_(static_cast<std::size_t>(n)), reps_(reps) { begin(); }
  long long sum() const { return sum_; }

 private:
  struct job final : node {
    void run() override { all->finished(*this); }
    gathering* all = nullptr;
    std::size_t index = 0;
  };

  void begin() {
    jobs_ = std::vector<job>(n_);
    results_ = std::vector<long>(n_);
    left_ = n_;
    for (std::size_t i = 0; i < n_; ++i) {
      jobs_[i].all = this;
      jobs_[i].index = i;
      ready().push(jobs_[i]);
    }
  }
  void finished(const job& j) {
    results_[j.index] = static_cast<long>(j.index);
    if (--left_ > 0) return;
    sum_ += sum_of(results_);
    if (--reps_ > 0) begin();
  }

  std::size_t n_, left_ = 0;
  long reps_;
  long long sum_ = 0;
  std::vector<job> jobs_;
  std::vector<long> results_;
};

long long gather_ready(bench::meter& m, long n, long reps) {
  {
    gathering warm_up(reps > 1 ? n : std::min(n, 10'000L), std::max(1L, reps / 10));
    run_loop();
  }
  m.start();
  gathering all(n, reps);
  run_loop();
  m.stop();
  return all.sum();
}

struct sleeper {
  uv_timer_t timer;
  long index;
  long* result;
};

long long gather_sleep(bench::meter& m, long n, long) {
  long long sum = 0;
  bench::delays delays;
  m.start();
  {
    const auto count = static_cast<std::size_t>(n);
    const auto sleepers = std::make_unique_for_overwrite<sleeper[]>(count);
    std::vector<long> results(count);
    uv_update_time(loop);
    for (std::size_t i = 0; i < count; ++i) {
      sleeper& s = sleepers[i];
      s.index = static_cast<long>(i);
      s.result = &results[i];
      s.timer.data = &s;
      uv_timer_init(loop, &s.timer);
      const auto wake = [](uv_timer_t* t) {
        const auto& who = *static_cast<sleeper*>(t->data);
        *who.result = who.index;
        uv_close(reinterpret_cast<uv_handle_t*>(t), nullptr);
      };
      uv_timer_start(&s.timer, wake, static_cast<std::uint64_t>(delays.next().count()),
                     0);
    }
    run_loop();
    sum = sum_of(results);
  }
  m.stop();
  return sum;
}

/// One job after the other: allocated, queued, run, its result handed on, freed.
class spawning {
 public:
  explicit spawning(long n) : n_(n) { next(); }
  long long sum() const { return sum_; }

 private:
  struct job final : node {
    job(spawning& s, long i) : owner(s), index(i) {}
    void run() override {
      spawning& s = owner;
      s.sum_ += index;
      delete this;
      if (s.i_ < s.n_) s.next();
    }
    spawning& owner;
    long index;
  };
  void next() { ready().push(*new job(*this, i_++)); }

  long n_, i_ = 0;
  long long sum_ = 0;
};

long long spawn_await(bench::meter& m, long n, long) {
  {
    spawning warm_up(10'000);
    run_loop();
  }
  m.start();
  spawning all(n);
  run_loop();
  m.stop();
  return all.sum();
}

/// Plain callbacks, a batch at a time: two growing arrays that swap.
class callbacks {
 public:
  explicit callbacks(long n) : left_(n) {
    uv_idle_init(loop, &idle_);
    idle_.data = this;
    uv_idle_start(&idle_, [](uv_idle_t* h) { static_cast<callbacks*>(h->data)->turn(); });
    next_batch(this);
  }
  ~callbacks() {
    uv_close(reinterpret_cast<uv_handle_t*>(&idle_), nullptr);
    run_loop();
  }
  long count() const { return count_; }

 private:
  struct call {
    void (*f)(callbacks*);
    callbacks* self;
  };

  static void next_batch(callbacks* self) {
    const long k = std::min(self->left_, 1000L);
    if (k == 0) return;
    for (long i = 0; i < k; ++i)
      self->queued_.push_back({[](callbacks* c) { ++c->count_; }, self});
    self->left_ -= k;
    self->queued_.push_back({next_batch, self});
  }
  void turn() {
    std::swap(queued_, running_);
    for (const call& c : running_) c.f(c.self);
    running_.clear();
    if (queued_.empty()) uv_idle_stop(&idle_);
  }

  uv_idle_t idle_;
  std::vector<call> queued_, running_;
  long left_, count_ = 0;
};

long long call_soon(bench::meter& m, long n, long) {
  {
    callbacks warm_up(10'000);
    run_loop();
  }
  m.start();
  callbacks all(n);
  run_loop();
  m.stop();
  return all.count();
}

/// 10,000 timers that never fire, each stopped and started anew in turn.
class churning final : node {
 public:
  explicit churning(long n) : n_(static_cast<std::size_t>(n)), timers_(live) {
    for (auto& t : timers_) uv_timer_init(loop, &t);
  }
  void begin() { ready().push(*this); }
  long cancelled() const { return cancelled_; }

 private:
  static constexpr std::size_t live = 10'000;

  void run() override {
    for (int k = 0; k < 1000 && i_ < n_; ++k, ++i_) renew(timers_[i_ % live]);
    i_ < n_ ? ready().push(*this) : end();
  }
  void renew(uv_timer_t& t) {
    if (i_ >= live) cancel(t);
    const auto never = [](uv_timer_t*) { std::abort(); };
    const std::chrono::milliseconds limit =
        bench::time_limits[i_ % bench::time_limits.size()];
    uv_timer_start(&t, never, static_cast<std::uint64_t>(limit.count()), 0);
  }
  void end() {
    for (std::size_t i = 0; i < std::min(live, n_); ++i) cancel(timers_[i]);
    for (auto& t : timers_) uv_close(reinterpret_cast<uv_handle_t*>(&t), nullptr);
  }
  void cancel(uv_timer_t& t) {
    uv_timer_stop(&t);
    ++cancelled_;
  }

  std::size_t n_, i_ = 0;
  long cancelled_ = 0;
  std::vector<uv_timer_t> timers_;
};

long long timer_churn(bench::meter& m, long n, long) {
  churning all(n);
  m.start();
  all.begin();
  run_loop();
  m.stop();
  return all.cancelled();
}

struct entry {
  std::string_view name;
  long long (*run)(bench::meter&, long n, long reps);
};
constexpr entry workloads[]{{"call_soon", call_soon},
                            {"gather_ready", gather_ready},
                            {"gather_sleep", gather_sleep},
                            {"spawn_await", spawn_await},
                            {"timer_churn", timer_churn}};

}  // namespace

int main(int argc, char** argv) {
  const long n = argc > 2 ? std::atol(argv[2]) : 0;
  const long reps = argc > 3 ? std::atol(argv[3]) : 1;
  if (n < 1 || reps < 1) {
    std::fprintf(stderr, "usage: %s WORKLOAD N [REPS]\n", argv[0]);
    return 2;
  }
  for (const auto& w : workloads) {
    if (w.name != argv[1]) continue;
    bench::meter meter;
    const long long check = w.run(meter, n, reps);
    meter.print("libuv", argv[1], n, reps, check);
    return 0;
  }
  return 3;
}
