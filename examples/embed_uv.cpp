// A program on plain libuv, with a timer and a listening socket of its own, and a sheaf server
// beside them in the same uv_loop_t. One client asks both.
#include <sheaf/open_connection.hpp>
#include <sheaf/server.hpp>
#include <sheaf/sheaf.hpp>

#include <uv.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

// ---- the host: plain libuv, which knows nothing of sheaf ------------------------------------

template <class Handle>
void close_handle(Handle* h, uv_close_cb closed = nullptr) {
  uv_close(reinterpret_cast<uv_handle_t*>(h), closed);
}

// Says hello to whoever connects, and hangs up.
void on_connection(uv_stream_t* listener, int) {
  static char hello[] = "hello from libuv\n";
  auto* const peer = new uv_tcp_t;
  uv_tcp_init(listener->loop, peer);
  uv_accept(listener, reinterpret_cast<uv_stream_t*>(peer));
  uv_buf_t text = uv_buf_init(hello, sizeof hello - 1);
  uv_try_write(reinterpret_cast<uv_stream_t*>(peer), &text, 1);
  close_handle(peer, [](uv_handle_t* h) { delete reinterpret_cast<uv_tcp_t*>(h); });
}

std::uint16_t listen_on_any_port(uv_loop_t* loop, uv_tcp_t* listener) {
  sockaddr_in at;
  uv_ip4_addr("127.0.0.1", 0, &at);
  uv_tcp_init(loop, listener);
  uv_tcp_bind(listener, reinterpret_cast<sockaddr*>(&at), 0);
  uv_listen(reinterpret_cast<uv_stream_t*>(listener), 8, on_connection);
  int size = sizeof at;
  uv_tcp_getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);
  return ntohs(at.sin_port);
}

// ---- the guest: coroutines -------------------------------------------------------------------

sheaf::coro<> greet(sheaf::stream s) {
  const std::string name = co_await s.readline();
  co_await s.write("hello " + name);
}

sheaf::coro<std::string> ask(std::uint16_t port, std::string name) {
  sheaf::stream s = co_await sheaf::open_connection("127.0.0.1", port);
  co_await s.write(name);
  co_return co_await s.readline();
}

sheaf::coro<std::string> serve_and_ask(std::uint16_t host_port) {
  sheaf::server ours = co_await sheaf::start_server(greet, "127.0.0.1", 0);
  const auto [a, b] =
      co_await sheaf::gather(ask(host_port, ""), ask(ours.port(), "guest\n"));
  ours.close();
  co_await ours.wait_closed();
  co_return a + b;
}

int main() {
  uv_loop_t host;
  uv_loop_init(&host);
  uv_tcp_t listener;
  const auto port = listen_on_any_port(&host, &listener);
  uv_timer_t timer;
  uv_timer_init(&host, &timer);
  uv_timer_start(&timer, [](uv_timer_t*) {}, 10, 10);

  {
    sheaf::loop guest(&host, sheaf::borrowed);
    const auto answers = guest.create_task(serve_and_ask(port));
    answers.add_done_callback([&](const auto&) {  // then the host ends its own part
      close_handle(&listener);
      close_handle(&timer);
    });
    uv_run(&host, UV_RUN_DEFAULT);
    std::cout << answers.result();
  }

  uv_run(&host, UV_RUN_DEFAULT);  // libuv gives the guest's handles back
  std::cout << (uv_loop_close(&host) == 0 ? "host: closed\n" : "host: still in use\n");
}
