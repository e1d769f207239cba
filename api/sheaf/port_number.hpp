#pragma once

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace sheaf {

/// A port, from 0 to 65535: `open_connection(host, 80)`.
///
/// Made from any integer; throws std::out_of_range for one that is no port, where a plain
/// std::uint16_t would connect to another.
class port_number {
 public:
  template <std::integral I>
    requires(!std::same_as<I, bool>)
  constexpr port_number(I port)  // NOLINT: converts
      : port_(static_cast<std::uint16_t>(port)) {
    if (!std::in_range<std::uint16_t>(port)) {
      throw std::out_of_range("port " + std::to_string(port) + " is not in 0 to 65535");
    }
  }

  constexpr std::uint16_t value() const noexcept { return port_; }

 private:
  std::uint16_t port_;
};

}  // namespace sheaf
