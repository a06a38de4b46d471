// The event loop as applications see it: time, connections, descriptors, threads, start and stop.
#pragma once

#include "address.hpp"
#include "clock.hpp"
#include "deferred.hpp"
#include "diagnostics/pending_work.hpp"
#include "diagnostics/reactor_stats.hpp"
#include "factory.hpp"
#include "listening_port.hpp"
#include "source_location.hpp"
#include "unique_function.hpp"
#include "watch.hpp"

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

class DatagramProtocol;
struct DatagramOptions;
class DatagramTransport;
class Process;
struct ProcessOptions;
class ProcessProtocol;
class Resolver;
class ThreadPool;

/// The three phases of a system event, in order. `during` begins when all that `before` returned is
/// done.
enum class Phase : std::uint8_t { before, during, after };
enum class SystemEvent : std::uint8_t { startup, shutdown };
/// Names a trigger for `remove_system_event_trigger`.
enum class TriggerId : std::uint64_t {};

/// How to listen.
struct ListenOptions {
  ListenOptions(SourceLocation asked_at = SourceLocation::current()) : where(asked_at) {}
  /// A numeric IPv4 or IPv6 address; empty for all of both families.
  std::string interface;
  /// Connections that wait to be accepted; zero for the system's maximum.
  int backlog = 0;
  /// Several sockets may listen on the same port, and the system spreads connections over them.
  bool reuse_port = false;
  /// With an IPv6 interface: refuse IPv4 peers.
  bool ipv6_only = false;
  /// Where the application asks for it, which reports name.
  SourceLocation where;
};

/// How to listen on a UNIX socket.
struct UnixListenOptions {
  UnixListenOptions(SourceLocation asked_at = SourceLocation::current()) : where(asked_at) {}
  /// Connections that wait to be accepted; zero for the system's maximum.
  int backlog = 0;
  /// The permissions of the socket's file, such as 0600; what the process's umask leaves, unless
  /// set.
  std::optional<std::uint32_t> mode;
  /// Where the application asks for it, which reports name.
  SourceLocation where;
};

/// How to connect.
struct ConnectOptions {
  ConnectOptions(SourceLocation asked_at = SourceLocation::current()) : where(asked_at) {}
  explicit ConnectOptions(Duration connect_timeout,
                          SourceLocation asked_at = SourceLocation::current())
      : timeout(connect_timeout), where(asked_at) {}
  /// For name resolution and all addresses together.
  Duration timeout = std::chrono::seconds(30);
  /// Our end, where it matters; its port may be zero.
  std::optional<Address> bind_address;
  /// Where the application asks for it, which reports name.
  SourceLocation where;
};

/// An event loop, and all that it can hand out. One thread runs it, and everything that it handed
/// out belongs to that thread. Thread: only `call_from_thread`, `stop_from_thread` and `name` may
/// be called from others.
class Reactor : public Clock {
 public:
  ~Reactor() override;

  /// The reactor that runs this code. Errors: NoReactorError when none does.
  [[nodiscard]] static Reactor& current();
  /// The same, or null.
  [[nodiscard]] static Reactor* current_or_null() noexcept;

  /// "epoll", "select", "io_uring", "iocp", "memory", ...
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;

  /// Runs the loop until `stop`; may be called again afterwards.
  /// Errors: AlreadyRunningError.
  virtual void run() = 0;
  /// Begins an orderly shutdown, which ends `run`: triggers in their phases, then every connection
  /// is told. Errors: NotRunningError when it does not run, or is stopping already.
  virtual void stop() = 0;
  /// The same from any thread or signal context of ours; does nothing where `stop` would throw.
  virtual void stop_from_thread() noexcept = 0;
  /// One round of the loop, which waits `max_wait` at most for something to happen: for a host that
  /// runs the loop itself, and for tests.
  virtual void run_once(Duration max_wait) = 0;
  /// True from the startup event until `run` returns.
  [[nodiscard]] virtual bool running() const noexcept = 0;
  /// How long all of an orderly shutdown may take (10 s unless set).
  virtual void set_shutdown_deadline(Duration deadline) = 0;
  /// Whether SIGINT and SIGTERM stop the reactor while it runs (the default), where the application
  /// has not taken them itself.
  virtual void set_stop_on_signals(bool on) = 0;

  /// Runs `callback` as soon as the reactor runs; at once when it does.
  virtual void call_when_running(Callback callback) = 0;
  /// Runs `callback` in the reactor's thread, in the order of the calls; wakes the loop.
  /// Thread: any. False when the reactor is ending and the call will never be made.
  virtual bool call_from_thread(Callback callback) = 0;

  /// Has `f()` called in that phase; it may return a Deferred<void> or a Task<void>, which the
  /// phase waits for.
  template <class F>
  TriggerId add_system_event_trigger(Phase phase, SystemEvent event, F f) {
    using R = std::remove_cvref_t<std::invoke_result_t<F&>>;
    if constexpr (std::is_same_v<R, Deferred<void>>) {
      return add_trigger(phase, event, Trigger(std::move(f)));
    } else if constexpr (detail::is_task<R>) {
      return add_trigger(phase, event, Trigger([f = std::move(f)]() mutable -> Deferred<void> {
                           return maybe_deferred(std::move(f));
                         }));
    } else {
      return add_trigger(phase, event, Trigger([f = std::move(f)]() mutable {
                           f();
                           return succeed();
                         }));
    }
  }
  /// Forgets a trigger that has not been called; false when there is none of that name.
  virtual bool remove_system_event_trigger(TriggerId trigger) = 0;

  /// Accepts TCP connections for `factory`.
  /// Errors: AddressInUse, ListenError, thrown at once.
  virtual ListeningPort listen_tcp(Port port, std::shared_ptr<Factory> factory,
                                   const ListenOptions& options = {}) = 0;
  /// Connects to the first address of `host` that answers. Fires after `connection_made` has
  /// returned, never inside this call; cancelling it stops the attempt and closes what was opened.
  /// Errors: ConnectionRefused, ConnectTimeout, NoRoute, ResolveError, BindError, NoProtocol,
  /// ConnectingCancelled, or what `connection_made` threw.
  virtual Deferred<std::shared_ptr<Protocol>> connect_tcp(std::string host, Port port,
                                                          std::shared_ptr<Factory> factory,
                                                          const ConnectOptions& options = {}) = 0;

  /// Accepts connections on the UNIX socket at `path`, or at an abstract name, which begins with a
  /// NUL byte. A lock beside the file (`path` and ".lock") tells a socket that a dead program left,
  /// which is replaced, from one in use. Errors: AddressInUse, ListenError, InvalidArgument for a
  /// path that is too long, NotSupportedOnThisPlatform; thrown at once.
  virtual ListeningPort listen_unix(std::string path, std::shared_ptr<Factory> factory,
                                    const UnixListenOptions& options = {});
  /// Connects to the UNIX socket at `path`; like `connect_tcp`. Errors: ConnectionRefused where
  /// nobody listens, ConnectTimeout where the port's queue stays full, ConnectError, NoProtocol,
  /// ConnectingCancelled, or what `connection_made` threw. InvalidArgument and
  /// NotSupportedOnThisPlatform are thrown at once.
  virtual Deferred<std::shared_ptr<Protocol>> connect_unix(std::string path,
                                                           std::shared_ptr<Factory> factory,
                                                           const ConnectOptions& options = {});

  /// Accepts connections on a socket that listens already, of TCP or UNIX, such as one that systemd
  /// or a parent passed. It is the port's from now on, and closed with it, also when this throws.
  /// Errors: ListenError when it does not listen, NotSupportedOnThisPlatform; thrown at once.
  virtual ListeningPort adopt_port(Descriptor listening, std::shared_ptr<Factory> factory);

  /// Opens a UDP socket at `port` for `protocol`, which is told of each datagram; see datagram.hpp.
  /// Errors: AddressInUse, ListenError, NotSupportedOnThisPlatform; thrown at once.
  virtual std::shared_ptr<DatagramTransport> listen_udp(Port port,
                                                        std::shared_ptr<DatagramProtocol> protocol,
                                                        const DatagramOptions& options);
  std::shared_ptr<DatagramTransport> listen_udp(Port port,
                                                std::shared_ptr<DatagramProtocol> protocol,
                                                CallPlace where = SourceLocation::current());
  /// The same for datagrams over a UNIX socket at `path`, which may be abstract; an empty path has
  /// none, so that nobody can answer.
  virtual std::shared_ptr<DatagramTransport> listen_unix_datagrams(
      std::string path, std::shared_ptr<DatagramProtocol> protocol, const DatagramOptions& options);
  std::shared_ptr<DatagramTransport> listen_unix_datagrams(
      std::string path, std::shared_ptr<DatagramProtocol> protocol,
      CallPlace where = SourceLocation::current());

  /// Runs a program, with pipes or a terminal between it and `protocol`; see process.hpp.
  /// Errors: SpawnError when it cannot be run, InvalidArgument, NotSupportedOnThisPlatform; thrown
  /// at once.
  virtual std::shared_ptr<Process> spawn_process(std::shared_ptr<ProcessProtocol> protocol,
                                                 const ProcessOptions& options);

  /// Calls `callback` each time the descriptor is ready, until the watch is cancelled or dropped.
  /// The descriptor stays the caller's. Errors: AlreadyWatchedError when it is watched for the same
  /// interest; NotSupportedOnThisPlatform.
  [[nodiscard]] virtual Watch watch(Descriptor descriptor, Interest interest, Callback callback,
                                    CallPlace where = SourceLocation::current()) = 0;

  /// Who looks names up for `connect_tcp`.
  [[nodiscard]] virtual Resolver& resolver() = 0;
  virtual void set_resolver(std::shared_ptr<Resolver> resolver) = 0;
  /// Threads for work that blocks, started as needed.
  [[nodiscard]] virtual ThreadPool& thread_pool() = 0;

  /// What this loop is busy with and what keeps it alive: ports, connections, connects, scheduled
  /// calls, processes, watches, and where the application asked for each.
  [[nodiscard]] std::vector<PendingWork> pending() const;
  /// The same as text for people, a line for each kind and place.
  [[nodiscard]] std::string report_pending() const;
  /// What it has done and has.
  [[nodiscard]] ReactorStats stats() const;

 protected:
  using Trigger = UniqueFunction<Deferred<void>()>;
  Reactor();
  /// Adds what only this loop knows of to `pending`.
  virtual void describe_more(std::vector<PendingWork>&) const {}
  virtual TriggerId add_trigger(Phase phase, SystemEvent event, Trigger trigger) = 0;
};

}  // namespace weft
