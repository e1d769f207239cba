#include <sheaf/runtime/detail/descriptor_watch.hpp>
#include <sheaf/runtime/detail/signal_table.hpp>
#include <sheaf/runtime/loop.hpp>

namespace sheaf::runtime {

namespace {

class plain_scheduler final : public scheduler {
 public:
  using scheduler::scheduler;
};

intrusive_ptr<scheduler> make(uv_loop_s* host, clock_kind clock) {
  return intrusive_ptr<scheduler>::adopt(new plain_scheduler(host, clock));
}

uv_loop_s* required(uv_loop_s* host) {
  if (!host) throw invalid_state("loop: the borrowed uv_loop_t is null");
  return host;
}

}  // namespace

loop::loop(clock_kind clock) : loop(make(nullptr, clock)) {}
loop::loop(uv_loop_s* host, borrowed_t) : loop(make(required(host), clock_kind::real)) {}
loop::loop(intrusive_ptr<scheduler> s) noexcept
    : scheduler_(std::move(s)),
      descriptors_(std::make_unique<detail::descriptor_table>(*scheduler_)),
      signals_(std::make_unique<detail::signal_table>(*this)) {
  scheduler_->set_facade(this);
}

loop::~loop() {
  scheduler_->close();
  scheduler_->handler() = nullptr;  // may refer to this; a future may report later
  scheduler_->set_facade(nullptr);
}

loop& loop::current() {
  scheduler* const s = scheduler::current();
  if (!s) {
    throw invalid_state(
        "no loop runs on this thread: call this from a task or a callback, or name the "
        "loop");
  }
  return *s->facade();
}

void loop::add_reader(int descriptor, unique_function<void()> f) {
  descriptors_->add(descriptor, detail::descriptor_watch::reader, std::move(f));
}

void loop::add_writer(int descriptor, unique_function<void()> f) {
  descriptors_->add(descriptor, detail::descriptor_watch::writer, std::move(f));
}

bool loop::remove_reader(int descriptor) noexcept {
  return descriptors_->remove(descriptor, detail::descriptor_watch::reader);
}

bool loop::remove_writer(int descriptor) noexcept {
  return descriptors_->remove(descriptor, detail::descriptor_watch::writer);
}

void loop::add_signal_handler(int signum, unique_function<void()> f) {
  signals_->add(signum, std::move(f));
}

bool loop::remove_signal_handler(int signum) noexcept { return signals_->remove(signum); }

bool loop::has_signal_handler(int signum) const noexcept { return signals_->has(signum); }

void loop::run_forever() { scheduler_->drive(); }

void loop::stop() {
  if (scheduler_->borrowed()) {
    throw invalid_state("stop: a borrowed loop is stopped by its host");
  }
  scheduler_->require_thread("stop");
  scheduler_->stop();
}

void loop::post_threadsafe(detail::call_node& node) {
  if (scheduler_->post_threadsafe(node)) return;
  node.drop();
  throw invalid_state("call_soon_threadsafe: the loop is closed");
}

}  // namespace sheaf::runtime
