#pragma once

#include <sheaf/detail/stream_core.hpp>
#include <sheaf/detail/stream_filter.hpp>
#include <sheaf/detail/tls_settings.hpp>
#include <sheaf/detail/tls_wire.hpp>
#include <sheaf/loop.hpp>
#include <sheaf/tls_context.hpp>

#include <cstddef>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace sheaf::detail {

/// TLS between a stream and its handle.
///
/// Plain bytes given out are bounded by the stream's limit: beyond it nothing is decrypted,
/// and what came stays as it is, at most one read of the handle's. Plain bytes written before
/// the handshake has ended wait here; all others are encrypted at once.
class tls_filter final : public stream_filter, private tls_choice {
 public:
  /// Throws tls_error, std::invalid_argument for a client that expects nobody.
  tls_filter(stream_core& core, const tls_context& context, const tls_options& options);
  ~tls_filter() override;

  /// Begins the handshake; `came` was read from the handle already.
  void begin(const std::string& came);
  bool established() const noexcept { return phase_ != phase::shaking; }
  /// What to throw where the stream was closed before it was established.
  std::exception_ptr closed_too_early() const noexcept;

  void on_read(std::string_view bytes, std::error_code error) noexcept override;
  void resume() noexcept override;
  void write(std::string_view plain) override;
  std::size_t pending() const noexcept override { return waiting_.size(); }
  void write_eof() override;
  bool close() noexcept override;
  void closed() noexcept override { stop_timer(); }
  std::exception_ptr failure() const noexcept override { return failure_; }
  std::optional<std::string> info(std::string_view what) const override;

 private:
  enum class phase { shaking, open, closing };

  class operation;
  const tls_context* choose(const std::string& name) noexcept override;
  bool refused() const noexcept override { return refusal_ != nullptr; }

  void expect_server(const std::string& name);
  void work() noexcept;
  bool shake() noexcept;
  void established_now() noexcept;
  void give_out() noexcept;
  void give_end() noexcept;
  void discard() noexcept;
  std::size_t decrypt(std::span<char> room) noexcept;
  void encrypt(std::string_view plain);
  void send_end() noexcept;
  bool send_last() noexcept;
  void flush() noexcept;
  void on_end() noexcept;
  void on_time() noexcept;
  void wait_for_peer() noexcept;
  void limit_close() noexcept;
  void start_timer(tls_options::duration d);
  void stop_timer() noexcept;
  void fail(tls_errc code, const std::string& text) noexcept;
  void fail_by_openssl() noexcept;
  std::string peer() const;

  stream_core& core_;
  tls_context context_;
  std::optional<tls_context> chosen_;
  tls_options options_;
  tls_wire wire_;
  ssl_ptr ssl_;
  phase phase_ = phase::shaking;
  bool peer_ended_ = false;  // its close_notify has come
  bool gave_end_ = false;
  bool end_wanted_ = false;  // write_eof() during the handshake
  std::string waiting_;      // plain, until it can be encrypted
  std::size_t unsent_ = 0;   // when the timer was started
  runtime::timer_handle timer_;
  std::exception_ptr failure_;
  std::exception_ptr refusal_;  // of the SNI callback
};

}  // namespace sheaf::detail
