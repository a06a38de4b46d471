// A UDP or UNIX socket for datagrams: opening it, its options, sending and receiving; how it waits
// is left to the loop's own kind.
#pragma once

#include "../../framework/basic_datagram_transport.hpp"
#include "../../framework/reactor.hpp"
#include "native_socket.hpp"
#include "socket_address.hpp"

#include <boost/system/error_code.hpp>

#include <memory>
#include <string>
#include <string_view>

#ifndef _WIN32
#include "unix_binding.hpp"
#endif

namespace weft::detail {

/// Whoever derives waits for the socket, and calls `readable` and `writable`.
class DatagramPort : public BasicDatagramTransport, public UdpControl {
 public:
  /// Opens a UDP socket. Errors: AddressInUse, ListenError.
  void open_udp(Port port);
#ifndef _WIN32
  /// Opens a UNIX socket. Errors: AddressInUse, ListenError, InvalidArgument.
  void open_unix(std::string path);
#endif

  [[nodiscard]] UdpControl* udp() noexcept override {
    return is_unix_ ? nullptr : this;
  }
  void join_group(const Address& group, const Address& interface) override;
  void leave_group(const Address& group, const Address& interface) override;
  void set_multicast_interface(const Address& interface) override;
  void set_multicast_loopback(bool on) override;
  void set_multicast_ttl(int hops) override;
  void set_hop_limit(int hops) override;
  void set_broadcast(bool on) override;

 protected:
  DatagramPort(Reactor& reactor, const DatagramOptions& options);

  /// Receives what has come, up to a share; each in a turn of its own.
  void readable() noexcept;
  void writable() noexcept;
  /// AF_INET, AF_INET6 or AF_UNIX.
  [[nodiscard]] int family() const noexcept {
    return family_;
  }

 private:
  /// The socket is open, bound, does not block, and is the derived one's to close.
  virtual void adopt(OwnedSocket socket) = 0;
  /// Has `readable` called when it is, unless that is under way. It is called again and again until
  /// `stop_reading`.
  virtual void wait_readable() = 0;
  virtual void stop_reading() noexcept = 0;
  /// Has `writable` called once.
  virtual void wait_writable() = 0;
  virtual void close_socket() noexcept = 0;

  Sent try_send(BytesView data, const Address& to) final;
  void send_later() final;
  void check_destination(const Address& to) const final;
  [[nodiscard]] std::size_t max_bytes_to(const Address& to) const final;
  Address connect_to(const Address& peer) final;
  void receiving_changed() final;
  void close() noexcept final;

  [[nodiscard]] boost::system::error_code bind_udp(const Address& address);
  void take(OwnedSocket socket);
  [[nodiscard]] SocketAddress native(const Address& address) const;
  [[nodiscard]] Sent not_sent(const boost::system::error_code& error, BytesView data,
                              const Address& to) const;
  [[nodiscard]] boost::system::error_code receive_one(std::size_t& share);
  void rest() noexcept;
  void change_group(bool join, const Address& group, const Address& interface);
  void set_for_families(int ipv4_name, int ipv6_name, int value, std::string_view what);
  void set_option(int level, int name, const void* value, socklen_t size, std::string_view what);

  NativeSocket socket_ = no_socket;
  int family_ = 0;
  bool is_unix_ = false;
  bool any_address_ = false;
  std::size_t max_bytes_ = 0;
  Duration retry_pause_{};
  DelayedCall retry_call_;
  DelayedCall rest_call_;
#ifndef _WIN32
  UnixBinding binding_;
#endif
};

}  // namespace weft::detail
