// Addresses as the system's socket calls take and give them.
#pragma once

#include "../../framework/address.hpp"
#include "native_socket.hpp"

namespace weft::detail {

/// Room for an address of any family that we know.
class SocketAddress {
 public:
  /// For a call that fills it.
  SocketAddress() noexcept = default;
  /// Errors: InvalidArgument for none, and for a UNIX socket's path that is empty or too long.
  explicit SocketAddress(const Address& address);
  /// The same for an IPv6 socket, which knows IPv4 addresses as mapped ones.
  [[nodiscard]] static SocketAddress for_ipv6(const Address& address);

  /// As we have it; an IPv4 address that is mapped into IPv6 is an IPv4 address. None for a family
  /// that we do not know.
  [[nodiscard]] Address address() const;

  [[nodiscard]] sockaddr* data() noexcept { return reinterpret_cast<sockaddr*>(&storage_); }
  [[nodiscard]] const sockaddr* data() const noexcept {
    return reinterpret_cast<const sockaddr*>(&storage_);
  }
  [[nodiscard]] int family() const noexcept { return storage_.ss_family; }
  [[nodiscard]] socklen_t size() const noexcept { return size_; }
  /// For calls that read the room and write the size.
  [[nodiscard]] socklen_t* size_to_fill() noexcept {
    size_ = sizeof storage_;
    return &size_;
  }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = sizeof(sockaddr_storage);
};

/// What the system wrote at `data`.
[[nodiscard]] Address to_address(const void* data, std::size_t size);

#ifndef _WIN32
using AskForAddress = int (*)(int, sockaddr*, socklen_t*);
/// What `ask`, which is getsockname or getpeername, tells of a descriptor; none for what is no
/// socket.
[[nodiscard]] Address address_of(AskForAddress ask, int descriptor);
#endif

}  // namespace weft::detail
