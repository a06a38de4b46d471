// A reactor without sockets, for tests of whole servers and clients: they meet in memory.
#pragma once

#include "../framework/basic_reactor.hpp"
#include "io_pump.hpp"
#include "memory_datagrams.hpp"
#include "string_transport.hpp"

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {

/// Keeps what was listened for and connected to. Who connects to a port of the same reactor meets
/// it through a MemoryTransport; for the rest of the world, the test plays. Names are those that
/// the test gave it, and "localhost". Everything else is as in any reactor, `run` included.
class MemoryReactor : public BasicReactor {
 public:
  enum class Time {
    /// Passes in `advance`; in `run` and `run_once` it jumps to the next call when nothing else is
    /// left to do. Not for code that waits for threads.
    manual,
    /// Passes by itself.
    real,
  };
  enum class Connects {
    /// To the ports of this reactor, or refused.
    to_ports,
    /// Each waits in `connects` for what the test makes of it.
    by_hand,
  };
  class PendingConnect;
  class Port;
  class Connector;

  explicit MemoryReactor(Time time = Time::manual, Delivery delivery = Delivery::all_at_once());
  ~MemoryReactor() override;

  [[nodiscard]] std::string_view name() const noexcept override { return "memory"; }
  [[nodiscard]] TimePoint now() const override;

  // ---- what the code under test asks for

  ListeningPort listen_tcp(weft::Port port, std::shared_ptr<Factory> factory,
                           const ListenOptions& options = {}) override;
  Deferred<std::shared_ptr<Protocol>> connect_tcp(std::string host, weft::Port port,
                                                  std::shared_ptr<Factory> factory,
                                                  const ConnectOptions& options = {}) override;
  using BasicReactor::listen_udp;
  std::shared_ptr<DatagramTransport> listen_udp(weft::Port port,
                                                std::shared_ptr<DatagramProtocol> protocol,
                                                const DatagramOptions& options) override;
  [[nodiscard]] Watch watch(Descriptor descriptor, Interest interest, Callback callback,
                            CallPlace where = SourceLocation::current()) override;

  // ---- what the test does

  /// Lets `by` pass, from deadline to deadline. Errors: InvalidArgument when time is real.
  void advance(Duration by);
  /// Lets everything happen that can happen now.
  /// Errors: std::logic_error when it does not come to rest.
  void settle();

  /// Where this reactor listens, in the order in which it began to.
  [[nodiscard]] std::vector<Address> ports() const;
  /// A peer connects to `port`: its end, for the test to talk through. Dropping that aborts the
  /// connection. Errors: ConnectionRefused when nobody listens there.
  std::shared_ptr<StringTransport> connect_to(weft::Port port,
                                              const Address& peer = Address::ipv4({192, 0, 2, 1},
                                                                                  54321));

  void set_connects(Connects connects) noexcept { connects_ = connects; }
  /// Those that wait for the test, oldest first.
  [[nodiscard]] std::vector<PendingConnect> connects() const;

  /// The UDP of this reactor.
  [[nodiscard]] MemoryDatagrams& datagrams() noexcept { return datagrams_; }

  /// What `name` shall resolve to; ports are filled in.
  void add_name(std::string name, std::vector<Address> addresses);

  /// Nobody answers at the numeric address `host`: connects to it wait for their time limit.
  /// Errors: InvalidArgument for what is no address.
  void add_silent_host(std::string host);

  /// The descriptor is ready: calls who watches it. False when nobody does.
  bool make_ready(Descriptor descriptor, Interest interest);

 private:
  class Names;
  class MemoryWatcher;
  using WatchKey = std::pair<Descriptor, Interest>;

  void wait(std::optional<TimePoint> until) override;
  void wake() noexcept override;

  [[nodiscard]] std::shared_ptr<Port> find_port(const Address& address) const;
  void check_free(const Address& address, const ListenOptions& options) const;
  [[nodiscard]] Address free_address(Address address);
  void join(const std::shared_ptr<Connector>& connector, const Address& address);
  bool deliver();
  void sleep(std::optional<TimePoint> until);

  Time time_;
  Delivery delivery_;
  TimePoint now_{};
  Connects connects_ = Connects::to_ports;
  std::shared_ptr<Names> names_;
  std::set<std::string> silent_;
  MemoryDatagrams datagrams_;
  std::vector<std::shared_ptr<Port>> ports_;
  std::vector<std::shared_ptr<Connector>> waiting_;
  // What has connected and was not accepted yet.
  std::vector<std::pair<std::shared_ptr<Port>, std::shared_ptr<MemoryTransport>>> backlog_;
  std::vector<std::weak_ptr<MemoryTransport>> ends_;
  std::map<WatchKey, std::weak_ptr<MemoryWatcher>> watches_;
  weft::Port next_port_ = 49152;
  bool moved_ = false;

  std::mutex woken_mutex_;
  std::condition_variable woken_changed_;
  bool woken_ = false;
};

/// A connect that the test decides on. A handle; copies mean the same connect.
class MemoryReactor::PendingConnect {
 public:
  explicit PendingConnect(std::shared_ptr<Connector> connector) noexcept
      : connector_(std::move(connector)) {}

  [[nodiscard]] const std::string& host() const;
  [[nodiscard]] weft::Port port() const;
  [[nodiscard]] const ConnectOptions& options() const;

  /// It succeeds; what the protocol writes and hears is the test's. Dropping it aborts the
  /// connection. Errors: std::logic_error when the connect is over.
  std::shared_ptr<StringTransport> succeed() const;
  /// It fails. Errors: std::logic_error when it is over.
  void fail(Failure reason) const;

 private:
  std::shared_ptr<Connector> connector_;
};

}  // namespace weft::testing
