#include <sheaf/runtime/schedule.hpp>

#include <cstddef>
#include <utility>

namespace sheaf::runtime {

namespace {

/// Fisher and Yates's shuffle, fed by the splitmix64 generator. Written out, since
/// std::shuffle and the distributions of <random> differ between standard libraries.
class seeded_schedule final : public schedule {
 public:
  explicit seeded_schedule(std::uint64_t seed) noexcept : state_(seed) {}

  void arrange(std::span<ready_node*> batch) noexcept override {
    for (std::size_t left = batch.size(); left > 1; --left) {
      std::swap(batch[left - 1], batch[below(left)]);
    }
  }

 private:
  std::uint64_t next() noexcept {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // The high half of a product: the bias is below n / 2^32.
  std::size_t below(std::size_t n) noexcept {
    return static_cast<std::size_t>(((next() >> 32) * n) >> 32);
  }

  std::uint64_t state_;
};

}  // namespace

std::unique_ptr<schedule> make_seeded_schedule(std::uint64_t seed) {
  return std::make_unique<seeded_schedule>(seed);
}

}  // namespace sheaf::runtime
