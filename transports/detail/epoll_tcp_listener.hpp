// A TCP port on an epoll set of ours.
#pragma once

#include "accepting.hpp"
#include "asio_loop.hpp"
#include "passed_port.hpp"
#include "port_sharing.hpp"

#include <cstdint>
#include <memory>

namespace weft::detail::epoll {

/// Asio binds it and then lets go of its descriptor: its own way of accepting costs each connection
/// two more calls of `epoll_ctl`, and one operation's memory.
class TcpListener final : public TakingListener, private Polled {
 public:
  TcpListener(AsioLoop& loop, std::shared_ptr<Factory> factory);
  ~TcpListener() override;

  /// Binds, listens and begins to accept. Errors: AddressInUse, ListenError.
  void open(Port port, const ListenOptions& options);
  /// The same with a socket that listens already.
  void adopt(PassedPort port);
  void take_connection(OwnedDescriptor connection, const Address& peer) noexcept override;

 private:
  void ready(std::uint32_t events) noexcept override;
  void close_port() noexcept override;
  void hold_port() noexcept override { stop_waiting(); }
  void accept_again() noexcept override;

  void begin(Tcp::acceptor& acceptor, Address host);
  void stop_waiting() noexcept;

  std::shared_ptr<AsioLoop> loop_;
  int descriptor_ = -1;
  bool polled_ = false;
  // Bound to one address, which is then that of every connection's end here.
  bool one_address_ = false;
  AcceptShare share_;
};

}  // namespace weft::detail::epoll
