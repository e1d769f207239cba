#include <sheaf/loop.hpp>

#include "support/catch.hpp"
#include "support/descriptors.hpp"
#include "support/host.hpp"

#include <sheaf/gather.hpp>
#include <sheaf/open_connection.hpp>
#include <sheaf/server.hpp>

#include <uv.h>

#include <cstdint>
#include <optional>
#include <string>

using namespace sheaf;

namespace {

/// A server of the host's, on plain libuv: says hello and hangs up.
class plain_server {
 public:
  explicit plain_server(uv_loop_t* l) {
    sockaddr_in at;
    REQUIRE(uv_ip4_addr("127.0.0.1", 0, &at) == 0);
    REQUIRE(uv_tcp_init(l, &listener_) == 0);
    REQUIRE(uv_tcp_bind(&listener_, reinterpret_cast<sockaddr*>(&at), 0) == 0);
    listener_.data = this;
    REQUIRE(uv_listen(reinterpret_cast<uv_stream_t*>(&listener_), 8, on_connection) == 0);
    int size = sizeof at;
    uv_tcp_getsockname(&listener_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
  }
  std::uint16_t port() const noexcept { return port_; }
  int served() const noexcept { return served_; }
  void close() { uv_close(reinterpret_cast<uv_handle_t*>(&listener_), nullptr); }

 private:
  static void on_connection(uv_stream_t* listener, int status) {
    REQUIRE(status == 0);
    ++static_cast<plain_server*>(listener->data)->served_;
    static char hello[] = "hello\n";
    auto* const peer = new uv_tcp_t;
    uv_tcp_init(listener->loop, peer);
    uv_accept(listener, reinterpret_cast<uv_stream_t*>(peer));
    uv_buf_t text = uv_buf_init(hello, sizeof hello - 1);
    uv_try_write(reinterpret_cast<uv_stream_t*>(peer), &text, 1);
    uv_close(reinterpret_cast<uv_handle_t*>(peer),
             [](uv_handle_t* h) { delete reinterpret_cast<uv_tcp_t*>(h); });
  }
  uv_tcp_t listener_;
  std::uint16_t port_ = 0;
  int served_ = 0;
};

coro<> greet(stream s) {
  const std::string name = co_await s.readline();
  co_await s.write("dear " + name);
}

coro<std::string> ask(std::uint16_t port, std::string name) {
  stream s = co_await open_connection("127.0.0.1", port);
  co_await s.write(name);
  co_return co_await s.readline();
}

coro<std::string> ask_both(std::uint16_t plain) {
  server ours = co_await start_server(greet, "127.0.0.1", 0);
  const auto [a, b] = co_await gather(ask(plain, ""), ask(ours.port(), "guest\n"));
  ours.close();
  co_await ours.wait_closed();
  co_return a + b;
}

/// Connections that are open, a server that listens, a task that reads: for ever.
coro<> stay_connected() {
  const server ours = co_await start_server(greet, "127.0.0.1", 0);
  stream s = co_await open_connection("127.0.0.1", ours.port());
  static_cast<void>(co_await s.readline());
}

}  // namespace

TEST_CASE("borrowed: a server of the host and one of sheaf in one uv_loop_t",
          "[api][borrowed][io]") {
  {
    test::host first;
  }  // with it libuv makes what it keeps for signals
  const std::size_t before = test::open_descriptors();
  {
    test::host h;
    plain_server plain(h.get());
    loop guest(h.get(), borrowed);
    const auto answers = guest.create_task(ask_both(plain.port()));
    answers.add_done_callback([&plain](const auto&) { plain.close(); });
    CHECK(h.run());  // ends by itself
    CHECK(answers.result() == "hello\ndear guest\n");
    CHECK(plain.served() == 1);
  }
  CHECK(test::open_descriptors() == before);
}

TEST_CASE(
    "borrowed: destroyed with connections open, the host gets every descriptor back",
    "[api][borrowed][io][R7]") {
  {
    test::host first;
  }  // with it libuv makes what it keeps for signals
  const std::size_t before = test::open_descriptors();
  for (int turns = 0; turns < 12; ++turns) {
    test::host h;
    plain_server plain(h.get());
    {
      loop guest(h.get(), borrowed);
      guest.set_exception_handler([](const exception_context&) {});
      const auto stays = guest.create_task(stay_connected());
      const auto asks = guest.create_task(ask(plain.port(), "x\n"));
      for (int i = 0; i < turns; ++i) h.turn();
    }
    plain.close();
  }
  CHECK(test::open_descriptors() == before);
}
