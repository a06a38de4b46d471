// The UDP of a MemoryReactor: its ports, what is on its way between them, and what gets lost.
#pragma once

#include "string_datagram_transport.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace weft::testing {

/// Datagrams between the ports of one reactor arrive in the next round of its loop. For the rest of
/// the world, the test plays.
class MemoryDatagrams {
 public:
  /// The ports are on `clock`.
  explicit MemoryDatagrams(Clock& clock) noexcept : clock_(clock) {}
  MemoryDatagrams(const MemoryDatagrams&) = delete;
  MemoryDatagrams& operator=(const MemoryDatagrams&) = delete;

  /// Errors: AddressInUse, ListenError, InvalidArgument, or what `start_protocol` threw.
  std::shared_ptr<DatagramTransport> listen(Port port, std::shared_ptr<DatagramProtocol> protocol,
                                            const DatagramOptions& options);

  /// The ports that are open, in the order in which they were opened.
  [[nodiscard]] std::vector<Address> ports() const;
  /// Somebody elsewhere sends `data` to a port here. False when nobody has it.
  bool deliver(BytesView data, const Address& from, const Address& to);
  /// What was sent to somebody elsewhere, or to no open port, oldest first.
  [[nodiscard]] const std::vector<SentDatagram>& sent_elsewhere() const noexcept {
    return elsewhere_;
  }
  /// From now on those are lost for which `lost` says so; none unless set.
  void set_loss(std::function<bool(const SentDatagram&)> lost) { lost_ = std::move(lost); }
  /// Whether what is on its way in one round arrives in the reverse order.
  void set_reversed(bool on) noexcept { reversed_ = on; }

  /// Delivers what is on its way. False when there was nothing to do.
  bool move();

 private:
  class Port;

  // Those that nobody is given by name (RFC 6335, 6).
  static constexpr weft::Port first_free_port = 49'152;
  static constexpr weft::Port last_free_port = 65'535;

  [[nodiscard]] weft::Port free_port();
  void check_free(const Address& address, const DatagramOptions& options) const;
  void arrive(const SentDatagram& datagram);

  Clock& clock_;
  std::vector<Port*> ports_;
  std::deque<SentDatagram> under_way_;
  std::vector<SentDatagram> elsewhere_;
  std::function<bool(const SentDatagram&)> lost_;
  weft::Port next_port_ = first_free_port;
  bool reversed_ = false;
};

}  // namespace weft::testing
