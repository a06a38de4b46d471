#include "memory_datagrams.hpp"

#include "../framework/detail/address_parts.hpp"
#include "../framework/error.hpp"

#include <algorithm>
#include <utility>

namespace weft::testing {

namespace {

using weft::detail::is_everywhere;
using weft::detail::is_here;

}  // namespace

class MemoryDatagrams::Port final : public StringDatagramTransport {
 public:
  Port(MemoryDatagrams& network, const DatagramOptions& options)
      : StringDatagramTransport(network.clock_, options), network_(network) {}

  [[nodiscard]] bool shares(const DatagramOptions& other) const noexcept {
    return (options().reuse_port && other.reuse_port) ||
           (options().reuse_address && other.reuse_address);
  }
  [[nodiscard]] bool takes(const Address& to) const {
    if (host().port() != to.port()) return false;
    const bool fits = to.family() == host().family() || host().host() == "::";
    return host().host() == to.host() || groups().contains(to.host()) ||
           (is_everywhere(host()) && fits && (is_here(to) || to.host() == "255.255.255.255"));
  }

 private:
  [[nodiscard]] Address source_for(const Address& to) const override {
    if (!is_everywhere(host())) return host();
    return *Address::parse(to.family() == Address::Family::ipv4 ? "127.0.0.1" : "::1",
                           host().port());
  }
  void went_out(const SentDatagram& datagram) override { network_.under_way_.push_back(datagram); }
  void close() noexcept override {
    StringDatagramTransport::close();
    std::erase(network_.ports_, this);
  }

  MemoryDatagrams& network_;
};

std::shared_ptr<DatagramTransport> MemoryDatagrams::listen(
    weft::Port port, std::shared_ptr<DatagramProtocol> protocol, const DatagramOptions& options) {
  const auto address = Address::parse(options.interface.empty() ? "::" : options.interface, port);
  if (!address || !is_here(*address)) {
    throw ListenError("\"" + options.interface +
                      "\" is no address of this machine; give one such as 127.0.0.1 or ::1.");
  }
  check_free(*address, options);
  auto transport = std::make_shared<Port>(*this, options);
  transport->set_host(port != 0 ? *address : weft::detail::with_port(*address, free_port()));
  ports_.push_back(transport.get());
  transport->start(std::move(protocol));
  return transport;
}

// One that nobody has, on whatever address.
weft::Port MemoryDatagrams::free_port() {
  for (int tries = first_free_port; tries <= last_free_port; ++tries) {
    const auto port = next_port_;
    next_port_ = port == last_free_port ? first_free_port : static_cast<weft::Port>(port + 1);
    const auto has_it = [port](const Port* each) { return each->host().port() == port; };
    if (std::none_of(ports_.begin(), ports_.end(), has_it)) return port;
  }
  throw AddressInUse(
      "All ports from " + std::to_string(first_free_port) + " on are open already; close some.", {},
      std::make_error_code(std::errc::address_in_use));
}

void MemoryDatagrams::check_free(const Address& address, const DatagramOptions& options) const {
  for (const auto* const port : ports_) {
    const auto& taken = port->host();
    const bool meet =
        taken.host() == address.host() || is_everywhere(taken) || is_everywhere(address);
    if (address.port() != 0 && taken.port() == address.port() && meet && !port->shares(options)) {
      throw AddressInUse("Somebody has the port " + address.text() +
                             " already; stop them, choose another port, or 0 for a free one.",
                         address, std::make_error_code(std::errc::address_in_use));
    }
  }
}

std::vector<Address> MemoryDatagrams::ports() const {
  std::vector<Address> addresses;
  for (const auto* const port : ports_)
    addresses.push_back(port->host());
  return addresses;
}

bool MemoryDatagrams::deliver(BytesView data, const Address& from, const Address& to) {
  // Callbacks may open and close ports.
  std::vector<std::shared_ptr<BasicDatagramTransport>> takers;
  for (auto* const port : ports_) {
    if (port->takes(to)) takers.push_back(port->shared_from_this());
  }
  for (const auto& taker : takers)
    static_cast<Port&>(*taker).StringDatagramTransport::deliver(data, from);
  return !takers.empty();
}

void MemoryDatagrams::arrive(const SentDatagram& datagram) {
  if (lost_ && lost_(datagram)) return;
  if (deliver(datagram.data, datagram.from, datagram.to)) return;
  elsewhere_.push_back(datagram);
  if (!is_here(datagram.to)) return;
  for (auto* const port : ports_) {
    if (port->host() == datagram.from && port->peer() == datagram.to) {
      return port->deliver_refusal();
    }
  }
}

bool MemoryDatagrams::move() {
  auto moving = std::exchange(under_way_, {});
  if (reversed_) std::reverse(moving.begin(), moving.end());
  for (const auto& datagram : moving)
    arrive(datagram);
  return !moving.empty();
}

}  // namespace weft::testing
