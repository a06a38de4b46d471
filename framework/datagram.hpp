// Datagrams, over UDP or a UNIX socket: the protocol that is told of them, what it sends through,
// and how a port is opened.
#pragma once

#include "address.hpp"
#include "bytes.hpp"
#include "clock.hpp"
#include "deferred.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace weft {

class DatagramTransport;

/// Which datagram is lost when a port's queue is full.
enum class Drop : std::uint8_t {
  newest,  // the one that is being sent
  oldest,  // what waits longest, until there is room: for news that outdates itself
};

/// How to open a port for datagrams.
struct DatagramOptions {
  DatagramOptions(SourceLocation asked_at = SourceLocation::current()) : where(asked_at) {}
  /// A numeric IPv4 or IPv6 address; empty for all of both families. UDP only.
  std::string interface;
  /// What is longer is cut, see `DatagramProtocol::datagram_truncated`. By default as long as UDP
  /// can carry; up to 256 KiB less one, which UNIX sockets can.
  std::size_t max_datagram_bytes = 65'535;
  /// What may wait to be sent, counted like `write_buffer_size`.
  std::size_t max_queue_bytes = 256 * 1024;
  Drop drop_when_full = Drop::newest;
  /// Several sockets may have the same port; on Linux the last one gets the datagrams, and
  /// multicast reaches all. UDP only, like the rest.
  bool reuse_address = false;
  /// Several sockets may have the same port, and the system spreads datagrams over them.
  bool reuse_port = false;
  /// With an IPv6 interface: no IPv4.
  bool ipv6_only = false;
  /// Datagrams may be sent to an IPv4 broadcast address.
  bool broadcast = false;
  /// Where the application asks for it, which reports name.
  SourceLocation where;
};

/// What became of a port's datagrams.
struct DatagramCounters {
  std::uint64_t received = 0;
  /// Received, but longer than `max_datagram_bytes`.
  std::uint64_t truncated = 0;
  /// Handed to the system; whether they arrive nobody knows.
  std::uint64_t sent = 0;
  /// Not sent: the queue was full, or the port was closed before it was empty.
  std::uint64_t dropped = 0;
  /// Not sent: the system refused, since there was no route, for instance.
  std::uint64_t failed = 0;
};

/// One port's behaviour. In order: `start_protocol`, any number of the others, `stop_protocol`
/// exactly once; then it may be given another port. Callbacks of one port never nest. Lifetime:
/// kept alive by its port until `stop_protocol` has returned; keeps its transport alive. Errors:
/// what a callback throws is logged, and the port lives; only what `start_protocol` throws closes
/// the port, and is thrown to whoever opens it.
class DatagramProtocol : public std::enable_shared_from_this<DatagramProtocol> {
 public:
  DatagramProtocol();
  virtual ~DatagramProtocol();
  DatagramProtocol(const DatagramProtocol&) = delete;
  DatagramProtocol& operator=(const DatagramProtocol&) = delete;

  /// The port is open, and may be sent through; called before `listen_udp` returns.
  virtual void start_protocol() {}
  /// One datagram, whole; it may be empty.
  virtual void datagram_received(BytesView data, const Address& sender) = 0;
  /// One that is longer than `max_datagram_bytes`: its beginning. Half a message is none, so
  /// nothing is done by default but counted.
  virtual void datagram_truncated(BytesView beginning, const Address& sender);
  /// Nobody listens at the address that the port is connected to, so something that was sent did
  /// not arrive. Never called for a port that is not connected.
  virtual void connection_refused() {}
  /// What waits to be sent has passed the high-water mark.
  virtual void pause_writing() {}
  /// ... and has fallen to the low-water mark.
  virtual void resume_writing() {}
  /// The port is closed; nothing comes after this.
  virtual void stop_protocol() {}

  /// Gives the protocol its transport and calls `start_protocol`: what a port or a test calls.
  /// Errors: InvalidArgument while the transport that it has is open.
  void make_connection(std::shared_ptr<DatagramTransport> transport);

 protected:
  /// Errors: NotConnectedError before `make_connection`.
  [[nodiscard]] DatagramTransport& transport() const;

 private:
  std::shared_ptr<DatagramTransport> transport_;
};

/// What UDP can do and UNIX sockets cannot. Errors: InvalidArgument for what the system refuses,
/// with its code. Groups and interfaces are addresses whose ports do not matter: an IPv4 interface
/// is named by its address, an IPv6 one by the `scope_id` of an IPv6 address.
class UdpControl {
 public:
  /// Has datagrams for `group` delivered, on the interface given, or the one that the system
  /// chooses; for IPv6, the group's own `scope_id` may name it.
  virtual void join_group(const Address& group, const Address& interface) = 0;
  virtual void leave_group(const Address& group, const Address& interface) = 0;
  void join_group(const Address& group) { join_group(group, {}); }
  void leave_group(const Address& group) { leave_group(group, {}); }
  /// Where multicast is sent from.
  virtual void set_multicast_interface(const Address& interface) = 0;
  /// Whether multicast that is sent also reaches this machine (the default).
  virtual void set_multicast_loopback(bool on) = 0;
  /// How many routers multicast may pass, 0 to 255; 1 unless set, which is this network alone.
  virtual void set_multicast_ttl(int hops) = 0;
  /// The same for all else, 1 to 255.
  virtual void set_hop_limit(int hops) = 0;
  /// Whether datagrams may be sent to an IPv4 broadcast address.
  virtual void set_broadcast(bool on) = 0;

 protected:
  ~UdpControl() = default;
};

/// An open port for datagrams: what `listen_udp` gives, and what a DatagramProtocol talks through.
/// Nothing here blocks. A datagram is sent at once where the system takes it, and waits in a
/// bounded queue where it does not. Dropping it leaves the port open until its reactor ends.
/// Thread: that of its clock's loop; debug builds throw WrongThreadError from any other.
class DatagramTransport {
 public:
  /// Long enough for a queue to empty, where anything takes it.
  static constexpr Duration default_linger = std::chrono::seconds(5);
  static constexpr std::size_t default_high_water = 64 * 1024;
  static constexpr std::size_t default_low_water = 16 * 1024;
  /// What a datagram that waits counts beside its bytes, so that empty ones are bounded as well.
  static constexpr std::size_t cost_in_queue = 128;

  virtual ~DatagramTransport();

  /// Sends one datagram. Dropped once the port is closing. Errors: MessageTooLong;
  /// InvalidArgument for an address that is not numeric, of the wrong family or without a port,
  /// for another one than that of a connected port, and for broadcast where that is not allowed.
  virtual void send(BytesView data, const Address& to) = 0;
  /// The same to where the port is connected to. Errors: MessageTooLong, NotConnectedError.
  virtual void send(BytesView data) = 0;
  /// From now on this port talks to `peer` alone: nobody else's datagrams are delivered, and
  /// `connection_refused` tells when nobody listens there. Once only. Errors: AlreadyCalledError;
  /// InvalidArgument; NoRoute, ConnectionRefused or another ConnectError.
  virtual void connect(const Address& peer) = 0;

  /// Sends what waits, within the linger time; then closes the port, and calls `stop_protocol`.
  /// Nothing is received any more.
  virtual void lose_connection() = 0;
  /// The same with a linger time of its own.
  virtual void lose_connection(Duration linger) = 0;
  /// Closes now; what waits is dropped.
  virtual void abort_connection() = 0;
  /// Fires when `stop_protocol` has returned; the port is free then.
  [[nodiscard]] virtual Deferred<void> stopped() = 0;

  /// Leaves what comes with the system, which has little room for it, until `resume_producing`.
  /// Counted: two who pause must both resume.
  virtual void pause_producing() = 0;
  virtual void resume_producing() = 0;

  /// Sets the marks at which `pause_writing` and `resume_writing` are called (64 KiB and 16 KiB
  /// unless set, or a half and an eighth of a smaller queue). Errors: InvalidArgument when `low` is
  /// above `high`.
  virtual void set_write_buffer_limits(std::size_t high, std::size_t low) = 0;
  /// What waits to be sent: its bytes, and `cost_in_queue` for each datagram.
  [[nodiscard]] virtual std::size_t write_buffer_size() const = 0;
  [[nodiscard]] virtual DatagramCounters counters() const = 0;

  /// Our end, with the port that the system chose for port 0; remembered after the end.
  [[nodiscard]] virtual Address host() const = 0;
  /// Where the port is connected to, or none.
  [[nodiscard]] virtual Address peer() const = 0;
  /// True until it is closed, or asked to.
  [[nodiscard]] virtual bool open() const = 0;
  /// The clock of the loop that this transport belongs to.
  [[nodiscard]] virtual Clock& clock() const = 0;

  /// What only UDP can do, or null.
  [[nodiscard]] virtual UdpControl* udp() noexcept { return nullptr; }
};

}  // namespace weft
