#include <sheaf/runtime/fs_event.hpp>
#include <sheaf/runtime/fs_poll.hpp>
#include <sheaf/runtime/loop.hpp>
#include <sheaf/runtime/pipe.hpp>
#include <sheaf/runtime/process.hpp>
#include <sheaf/runtime/tcp.hpp>
#include <sheaf/runtime/tty.hpp>
#include <sheaf/runtime/udp.hpp>

#include <pty.h>
#include <sys/un.h>

#include <array>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/handle_table.hpp"
#include "support/scratch_dir.hpp"
#include "support/sockets.hpp"

using namespace std::chrono_literals;
using namespace sheaf::runtime;
namespace rt = sheaf::runtime;  // pipe() is also a call of the system's
using test::arm;
using test::armed;
using test::callback;
using test::descriptor;
using test::kind;
using test::scratch_dir;

namespace {

template <class H>
constexpr bool move_only =
    std::is_nothrow_move_constructible_v<H> && std::is_nothrow_move_assignable_v<H> &&
    !std::is_copy_constructible_v<H> && !std::is_copy_assignable_v<H>;
static_assert(move_only<tcp> && move_only<rt::pipe> && move_only<tty> && move_only<udp>);
static_assert(move_only<process> && move_only<fs_event> && move_only<fs_poll>);

/// Any callback of a handle, that calls `f`.
auto ignoring(callback f) {
  return [f = std::move(f)](auto&&...) mutable { f(); };
}

address here(std::uint16_t port) { return address::ip("127.0.0.1", port); }

using many = std::vector<descriptor>;

template <class H>
std::unique_ptr<armed> just(loop& l, callback) {
  return arm(H(l), [](H&) {});
}

/// A stream of kind H over one end of a connection, and the other end beside it.
template <class H, class Start>
std::unique_ptr<armed> over(loop& l, std::pair<descriptor, descriptor> ends,
                            Start start) {
  H h(l);
  h.open(ends.first.release());
  return arm(std::move(h), std::move(ends.second),
             [start = std::move(start)](H& on, descriptor& other) mutable {
               start(on, other.get());
             });
}

void put(int fd) { test::checked(static_cast<int>(::write(fd, "x\n", 2)), "write"); }

/// Reads what has been sent to it.
auto reading(callback f) {
  return [f = std::move(f)](stream& s, int other) mutable {
    put(other);
    s.read_start(ignoring(std::move(f)));
  };
}

/// What is too much for the buffers of the kernel, so that it stays in flight.
const std::string& much() {
  static const std::string bytes(10'000'000, 'x');
  return bytes;
}

auto writing(std::string bytes, callback f) {
  return [bytes = std::move(bytes), f = std::move(f)](stream& s, int) mutable {
    s.write(std::move(bytes), ignoring(std::move(f)));
  };
}

struct terminal {
  descriptor ours;    // the master
  descriptor theirs;  // the terminal itself
};

terminal open_terminal() {
  int ours, theirs;
  test::checked(::openpty(&ours, &theirs, nullptr, nullptr, nullptr), "openpty");
  return {descriptor(ours), descriptor(theirs)};
}

const kind kinds[] = {
    {"tcp, connecting",
     [](loop& l, callback f, int) {
       return arm(tcp(l), test::listener(),
                  [f = std::move(f)](tcp& t, descriptor& at) mutable {
                    t.connect(here(test::port_of(at.get())), ignoring(std::move(f)));
                  });
     },
     false, true, false, just<tcp>},
    {"tcp, refused",
     [](loop& l, callback f, int) {
       // Bound, and nobody listens: nobody else gets the port meanwhile.
       return arm(tcp(l), test::bound(SOCK_STREAM),
                  [f = std::move(f)](tcp& t, descriptor& at) mutable {
                    t.connect(here(test::port_of(at.get())), ignoring(std::move(f)));
                  });
     },
     false, true, false},
    {"tcp, connecting to who does not answer",
     [](loop& l, callback f, int) {
       // With its queue full a listener lets those who call wait.
       many queue;
       queue.push_back(test::listener(0));
       const auto port = test::port_of(queue[0].get());
       for (int i = 0; i < 3; ++i) queue.push_back(test::connecting(port));
       return arm(tcp(l), std::move(queue), [f = std::move(f)](tcp& t, many& q) mutable {
         t.connect(here(test::port_of(q[0].get())), ignoring(std::move(f)));
       });
     },
     false, false, false},
    {"tcp, listening",
     [](loop& l, callback f, int) {
       return arm(tcp(l), descriptor(),
                  [f = std::move(f)](tcp& t, descriptor& client) mutable {
                    t.bind(here(0));
                    t.listen(8, ignoring(std::move(f)));
                    client = test::connecting(t.sockname().port());
                  });
     }},
    {"tcp, reading",
     [](loop& l, callback f, int) {
       return over<tcp>(l, test::connection(), reading(std::move(f)));
     }},
    {"tcp, reading what was reset",
     [](loop& l, callback f, int) {
       return over<tcp>(
           l, test::connection(), [f = std::move(f)](tcp& t, int other) mutable {
             const linger at_once{1, 0};
             ::setsockopt(other, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
             // Gives the number to /dev/null, and so closes the connection.
             const descriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
             ::dup3(null.get(), other, O_CLOEXEC);
             t.read_start(ignoring(std::move(f)));
           });
     },
     true, true, false},
    {"tcp, writing",
     [](loop& l, callback f, int) {
       return over<tcp>(l, test::connection(), writing("hello", std::move(f)));
     },
     false, true, false},
    {"tcp, writing to who does not read",
     [](loop& l, callback f, int) {
       return over<tcp>(l, test::connection(), writing(much(), std::move(f)));
     },
     false, false, false},
    {"tcp, shutting down",
     [](loop& l, callback f, int) {
       return over<tcp>(l, test::connection(), [f = std::move(f)](tcp& t, int) mutable {
         t.shutdown(ignoring(std::move(f)));
       });
     },
     false, true, false},
    {"tcp, shutting down after what nobody reads",
     [](loop& l, callback f, int) {
       return over<tcp>(l, test::connection(), [f = std::move(f)](tcp& t, int) mutable {
         t.write(much());
         t.shutdown(ignoring(std::move(f)));
       });
     },
     false, false, false},
    {"pipe, connecting",
     [](loop& l, callback f, int) {
       struct place {
         scratch_dir folder;
         descriptor at;
       };
       place p{scratch_dir(),
               descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))};
       sockaddr_un name{};
       name.sun_family = AF_UNIX;
       (p.folder / "s").copy(name.sun_path, sizeof name.sun_path - 1);
       test::checked(
           ::bind(p.at.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name),
           "bind");
       test::checked(::listen(p.at.get(), 8), "listen");
       return arm(rt::pipe(l), std::move(p),
                  [f = std::move(f)](rt::pipe& on, place& to) mutable {
                    on.connect(to.folder / "s", ignoring(std::move(f)));
                  });
     },
     false, true, false, just<rt::pipe>},
    {"pipe, connecting to nothing",
     [](loop& l, callback f, int) {
       return arm(rt::pipe(l),
                  [f = std::make_shared<callback>(std::move(f))](rt::pipe& p) {
                    p.connect("/no such folder/s", ignoring(std::move(*f)));
                  });
     },
     false, true, false},
    {"pipe, listening",
     [](loop& l, callback f, int) {
       struct place {
         scratch_dir folder;
         descriptor client;
       };
       return arm(rt::pipe(l), place{scratch_dir(), {}},
                  [f = std::move(f)](rt::pipe& p, place& at) mutable {
                    p.bind(at.folder / "s");
                    p.listen(8, ignoring(std::move(f)));
                    at.client = descriptor(
                        ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
                    sockaddr_un to{};
                    to.sun_family = AF_UNIX;
                    (at.folder / "s").copy(to.sun_path, sizeof to.sun_path - 1);
                    test::checked(
                        ::connect(at.client.get(), reinterpret_cast<const sockaddr*>(&to),
                                  sizeof to),
                        "connect");
                  });
     }},
    {"pipe, reading",
     [](loop& l, callback f, int) {
       return over<rt::pipe>(l, test::local_connection(), reading(std::move(f)));
     }},
    {"pipe, writing",
     [](loop& l, callback f, int) {
       return over<rt::pipe>(l, test::local_connection(), writing("hello", std::move(f)));
     },
     false, true, false},
    {"pipe, writing to who does not read",
     [](loop& l, callback f, int) {
       return over<rt::pipe>(l, test::local_connection(), writing(much(), std::move(f)));
     },
     false, false, false},
    {"pipe, passing a handle on",
     [](loop& l, callback f, int) {
       struct around {
         descriptor other;
         std::unique_ptr<tcp> sent;
       };
       auto ends = test::local_connection();
       rt::pipe p(l, rt::pipe::kind::ipc);
       p.open(ends.first.release());
       around a{std::move(ends.second), std::make_unique<tcp>(l)};
       a.sent->open(test::connecting(test::port_of(test::listener().get())).release());
       return arm(std::move(p), std::move(a),
                  [f = std::move(f)](rt::pipe& on, around& more) mutable {
                    on.write_with_handle("x", *more.sent, ignoring(std::move(f)));
                  });
     },
     false, true, false},
    {"tty, reading",
     [](loop& l, callback f, int) {
       terminal t = open_terminal();
       tty h(l, t.theirs.get());
       return arm(std::move(h), std::move(t),
                  [f = std::move(f)](tty& on, terminal& of) mutable {
                    put(of.ours.get());
                    on.read_start(ignoring(std::move(f)));
                  });
     },
     true, true, true,
     [](loop& l, callback) {
       terminal t = open_terminal();
       tty h(l, t.theirs.get());
       return arm(std::move(h), std::move(t), [](tty&, terminal&) {});
     }},
    {"tty, writing",
     [](loop& l, callback f, int) {
       terminal t = open_terminal();
       tty h(l, t.theirs.get());
       return arm(std::move(h), std::move(t),
                  [f = std::move(f)](tty& on, terminal&) mutable {
                    on.write("x", ignoring(std::move(f)));
                  });
     },
     false, true, false},
    {"udp, receiving",
     [](loop& l, callback f, int) {
       return arm(udp(l), [f = std::make_shared<callback>(std::move(f))](udp& u) {
         u.bind(here(0));
         u.recv_start(ignoring(std::move(*f)));
         CHECK(u.try_send("x", u.sockname()));
       });
     },
     true, true, true, just<udp>},
    {"udp, receiving many at once",
     [](loop& l, callback f, int) {
       return arm(udp(l, udp::reading::many),
                  [f = std::make_shared<callback>(std::move(f))](udp& u) {
                    u.bind(here(0));
                    u.recv_start(ignoring(std::move(*f)));
                    CHECK(u.try_send("x", u.sockname()));
                  });
     }},
    {"udp, sending",
     [](loop& l, callback f, int) {
       return arm(udp(l), test::bound(SOCK_DGRAM),
                  [f = std::move(f)](udp& u, descriptor& to) mutable {
                    u.send("x", here(test::port_of(to.get())), ignoring(std::move(f)));
                  });
     },
     true, true, false},
    {"process",
     [](loop& l, callback f, int) {
       return arm(process(l, process_options("true", {"true"}), ignoring(std::move(f))),
                  [](process&) {});
     }},
    {"process that lives on",
     [](loop& l, callback f, int) {
       // Ends when its pipe closes, with the one who holds that.
       struct around {
         std::shared_ptr<rt::pipe> input;
       };
       auto input = std::make_shared<rt::pipe>(l);
       process_options o("cat", {"cat"});
       o.stdio({child_stdio::make_pipe(*input, child_stdio::direction::child_reads)});
       return arm(process(l, o, ignoring(std::move(f))), around{std::move(input)},
                  [](process&, around&) {});
     },
     true, false, true},
    {"process that is killed with its owner",
     [](loop& l, callback f, int) {
       process_options o("sleep", {"sleep", "1000"});
       o.kill_on_close();
       return arm(process(l, o, ignoring(std::move(f))), [](process&) {});
     },
     true, false, true},
    {"fs_event",
     [](loop& l, callback f, int) {
       return arm(fs_event(l, ignoring(std::move(f))), scratch_dir(),
                  [](fs_event& e, scratch_dir& in) {
                    e.start(in.path());
                    ::mkdir((in / "made").c_str(), 0700);
                  });
     },
     true, true, true,
     [](loop& l, callback f) {
       return arm(fs_event(l, ignoring(std::move(f))), [](fs_event&) {});
     }},
    {"fs_poll",
     [](loop& l, callback f, int) {
       // That there is no such file is told at once.
       return arm(fs_poll(l, ignoring(std::move(f))),
                  [](fs_poll& p) { p.start("/no such file", 1ms); });
     },
     true, true, true,
     [](loop& l, callback f) {
       return arm(fs_poll(l, ignoring(std::move(f))), [](fs_poll&) {});
     }},
};

}  // namespace

TEST_CASE(
    "handles: those that do I/O, with requests in flight too, destroyed at any moment: "
    "nothing fires afterwards, nothing leaks [R7]",
    "[runtime][io_handles][R7]") {
  test::play_all(kinds);
}
