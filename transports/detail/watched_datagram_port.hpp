// A port for datagrams on a reactor that watches descriptors.
#pragma once

#include "../../framework/watch.hpp"
#include "datagram_port.hpp"

namespace weft::detail {

class WatchedDatagramPort final : public DatagramPort {
 public:
  WatchedDatagramPort(Reactor& reactor, const DatagramOptions& options)
      : DatagramPort(reactor, options), reactor_(reactor) {}

 private:
  void adopt(OwnedSocket socket) override { owned_ = std::move(socket); }
  void wait_readable() override {
    if (reading_.active()) return;
    reading_ = reactor_.watch(
        owned_.get(), Interest::readable, [this] { readable(); }, SourceLocation());
  }
  void stop_reading() noexcept override { reading_.cancel(); }
  void wait_writable() override {
    const auto write = [this] {
      writing_.cancel();
      writable();
    };
    writing_ = reactor_.watch(owned_.get(), Interest::writable, write, SourceLocation());
  }
  void close_socket() noexcept override {
    reading_.cancel();
    writing_.cancel();
    owned_ = OwnedSocket();
  }

  Reactor& reactor_;
  OwnedSocket owned_;
  Watch reading_;
  Watch writing_;
};

}  // namespace weft::detail
