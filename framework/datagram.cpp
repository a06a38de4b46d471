#include "datagram.hpp"

#include "error.hpp"
#include "reactor.hpp"

#include <utility>

namespace weft {

DatagramProtocol::DatagramProtocol() = default;

DatagramProtocol::~DatagramProtocol() = default;

void DatagramProtocol::datagram_truncated(BytesView, const Address&) {}

void DatagramProtocol::make_connection(std::shared_ptr<DatagramTransport> transport) {
  if (transport_ != nullptr && transport_->open()) {
    throw InvalidArgument("This protocol has a port already, at " + transport_->host().text() +
                              "; make one for each port, or close that one first.",
                          transport_->host());
  }
  transport_ = std::move(transport);
  start_protocol();
}

DatagramTransport& DatagramProtocol::transport() const {
  if (transport_ != nullptr) return *transport_;
  throw NotConnectedError("This protocol has no port yet; use it in or after start_protocol.");
}

DatagramTransport::~DatagramTransport() = default;

std::shared_ptr<DatagramTransport> Reactor::listen_udp(Port port,
                                                       std::shared_ptr<DatagramProtocol> protocol,
                                                       CallPlace where) {
  return listen_udp(port, std::move(protocol),
                    DatagramOptions(static_cast<const SourceLocation&>(where)));
}

std::shared_ptr<DatagramTransport> Reactor::listen_unix_datagrams(
    std::string path, std::shared_ptr<DatagramProtocol> protocol, CallPlace where) {
  return listen_unix_datagrams(std::move(path), std::move(protocol),
                               DatagramOptions(static_cast<const SourceLocation&>(where)));
}

}  // namespace weft
