// A port for datagrams that keeps what is sent through it, for tests of protocols without any loop.
#pragma once

#include "../framework/basic_datagram_transport.hpp"
#include "manual_clock.hpp"

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace weft::testing {

/// What was sent, or is on its way.
struct SentDatagram {
  std::string data;
  Address from;
  Address to;
  friend bool operator==(const SentDatagram&, const SentDatagram&) = default;
};

/// Behaves like every port, since it is made of the same. What the network would do is done by the
/// test. By default it has a clock of its own, and comes to rest after each thing that the test
/// does.
class StringDatagramTransport : public BasicDatagramTransport, public UdpControl {
 public:
  explicit StringDatagramTransport(const DatagramOptions& options = {});
  /// On a clock that somebody else settles, a reactor's or the test's.
  explicit StringDatagramTransport(Clock& clock, const DatagramOptions& options = {});
  ~StringDatagramTransport() override;

  // ---- what was sent

  /// Oldest first; to the peer where the port is connected.
  [[nodiscard]] const std::vector<SentDatagram>& sent() const noexcept { return sent_; }
  void clear() noexcept { sent_.clear(); }

  // ---- what the network does

  /// A datagram arrives; while the protocol has paused, it waits. What is longer than
  /// `max_datagram_bytes` is cut.
  void deliver(BytesView data, const Address& from);
  /// The peer's system says that nobody is there.
  void deliver_refusal();
  /// While blocked, the system takes nothing, and what is sent waits.
  void set_blocked(bool on);
  /// Delivers what waits and is wanted. False when there was nothing to do.
  bool pump();

  // ---- what was asked for

  /// The groups that it is in, without their interfaces and ports.
  [[nodiscard]] const std::set<std::string>& groups() const noexcept { return groups_; }
  [[nodiscard]] UdpControl* udp() noexcept override { return this; }
  using UdpControl::join_group;
  using UdpControl::leave_group;
  void join_group(const Address& group, const Address& interface) override;
  void leave_group(const Address& group, const Address& interface) override;
  /// What it is told here is kept nowhere, and changes nothing.
  void set_multicast_interface(const Address&) override {}
  void set_multicast_loopback(bool) override {}
  void set_multicast_ttl(int) override {}
  void set_hop_limit(int) override {}
  void set_broadcast(bool on) override { broadcast_ = on; }

  using BasicDatagramTransport::set_host;
  /// Its own clock. Errors: std::logic_error when it was given one.
  [[nodiscard]] ManualClock& manual_clock();
  /// Lets everything come to rest.
  void settle();

 protected:
  /// Where what is sent to `to` comes from.
  [[nodiscard]] virtual Address source_for(const Address& to) const;
  /// One has gone out.
  virtual void went_out(const SentDatagram&) {}
  void close() noexcept override { inbox_.clear(); }

 private:
  StringDatagramTransport(std::unique_ptr<ManualClock> own, Clock* given,
                          const DatagramOptions& options);

  Sent try_send(BytesView data, const Address& to) override;
  void send_later() override { sends_later_ = true; }
  void check_destination(const Address& to) const override;
  [[nodiscard]] std::size_t max_bytes_to(const Address& to) const override;
  Address connect_to(const Address& peer) override { return peer; }
  void receiving_changed() override;

  std::unique_ptr<ManualClock> own_clock_;
  std::vector<SentDatagram> sent_;
  std::deque<SentDatagram> inbox_;
  std::set<std::string> groups_;
  bool broadcast_;
  bool blocked_ = false;
  bool sends_later_ = false;
};

/// Gives `protocol` a port. Dropping that closes it.
std::shared_ptr<StringDatagramTransport> open_port(std::shared_ptr<DatagramProtocol> protocol,
                                                   const DatagramOptions& options = {});

}  // namespace weft::testing
