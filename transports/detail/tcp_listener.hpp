// A TCP port on an Asio loop.
#pragma once

#ifdef WEFT_BACKEND_EPOLL

#include "epoll_tcp_listener.hpp"

#else

#include "../../framework/listener.hpp"
#include "asio_loop.hpp"
#if defined(__linux__) || defined(_WIN32)
#include "passed_port.hpp"
#endif
#ifdef __linux__
#include "port_sharing.hpp"
#endif

#include <memory>

namespace weft::detail::WEFT_BACKEND {

#ifdef __linux__
using TcpListenerBase = TakingListener;
#else
using TcpListenerBase = Listener;
#endif

class TcpListener final : public TcpListenerBase {
 public:
  TcpListener(AsioLoop& loop, std::shared_ptr<Factory> factory);
  ~TcpListener() override;

  /// Binds, listens and begins to accept. Errors: AddressInUse, ListenError.
  void open(Port port, const ListenOptions& options);
#if defined(__linux__) || defined(_WIN32)
  /// The same with a socket that listens already.
  void adopt(PassedPort port);
#endif
#ifdef __linux__
  void take_connection(OwnedDescriptor connection, const Address& peer) noexcept override;
#endif

 private:
  void close_port() noexcept override;
  void hold_port() noexcept override;
  void accept_again() noexcept override;

  void begin(Address host);
  void accept_done(const ErrorCode& error);
  void take_accepted() noexcept;
  void take(Tcp::socket socket, const Address& peer) noexcept;
  std::shared_ptr<TcpListener> self() {
    return std::static_pointer_cast<TcpListener>(Listener::shared_from_this());
  }

  std::shared_ptr<AsioLoop> loop_;
  Tcp::acceptor acceptor_;
  Tcp::socket accepted_;
  Tcp::endpoint peer_;
  // An accept is under way, or has brought one that waits for `accept_again`.
  bool under_way_ = false;
  bool one_waits_ = false;
};

}  // namespace weft::detail::WEFT_BACKEND

#endif
