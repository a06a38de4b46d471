#include "socket_address.hpp"

#include "../../framework/detail/address_parts.hpp"
#include "../../framework/error.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>

#ifndef _WIN32
#include <sys/un.h>
#endif

namespace weft::detail {

namespace {

template <class System>
System read_as(const void* data) noexcept {
  System address{};
  std::memcpy(&address, data, sizeof address);
  return address;
}

Address from_ipv4(const sockaddr_in& in) {
  std::array<std::uint8_t, 4> octets;
  std::memcpy(octets.data(), &in.sin_addr, octets.size());
  return Address::ipv4(octets, ntohs(in.sin_port));
}

Address from_ipv6(const sockaddr_in6& in) {
  std::array<std::uint8_t, 16> octets;
  std::memcpy(octets.data(), &in.sin6_addr, octets.size());
  return without_mapping(Address::ipv6(octets, ntohs(in.sin6_port), in.sin6_scope_id));
}

sockaddr_in to_ipv4(const Address& address) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(address.port());
  std::memcpy(&in.sin_addr, address.octets().data(), sizeof in.sin_addr);
  return in;
}

sockaddr_in6 to_ipv6(const std::array<std::uint8_t, 16>& octets, const Address& address) {
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(address.port());
  in.sin6_scope_id = address.scope_id();
  std::memcpy(&in.sin6_addr, octets.data(), sizeof in.sin6_addr);
  return in;
}

#ifndef _WIN32
Address from_unix(const void* data, std::size_t size) {
  constexpr auto before_path = offsetof(sockaddr_un, sun_path);
  std::string path;
  if (size > before_path) {
    path.assign(static_cast<const char*>(data) + before_path, size - before_path);
  }
  // A path ends with a NUL, an abstract name begins with one.
  if (!path.empty() && path.front() != '\0') path.resize(std::strlen(path.c_str()));
  return Address::unix_socket(std::move(path));
}

socklen_t write_unix(const std::string& path, sockaddr_storage& storage) {
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    throw InvalidArgument("The path of a UNIX socket has 1 to " +
                          std::to_string(sizeof address.sun_path - 1) + " bytes; this has " +
                          std::to_string(path.size()) + ".");
  }
  // An abstract name ends where its size says, a path with a NUL.
  const bool abstract = path.front() == '\0';
  if (!abstract && path.find('\0') != std::string::npos) {
    throw InvalidArgument(
        "The path of a UNIX socket has a NUL byte, where the system would cut it; take that out.");
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  std::memcpy(&storage, &address, sizeof address);
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
}
#endif

template <class System>
socklen_t write_as(const System& address, sockaddr_storage& storage) noexcept {
  std::memcpy(&storage, &address, sizeof address);
  return sizeof address;
}

}  // namespace

SocketAddress::SocketAddress(const Address& address) {
  switch (address.family()) {
    case Address::Family::ipv4:
      size_ = write_as(to_ipv4(address), storage_);
      return;
    case Address::Family::ipv6:
      size_ = write_as(to_ipv6(address.octets(), address), storage_);
      return;
    case Address::Family::unix_socket:
#ifndef _WIN32
      size_ = write_unix(address.path(), storage_);
      return;
#endif
    case Address::Family::none:
      break;
  }
  throw InvalidArgument("\"" + address.text() + "\" is no address of a socket here.", address);
}

SocketAddress SocketAddress::for_ipv6(const Address& address) {
  if (address.family() != Address::Family::ipv4) return SocketAddress(address);
  std::array<std::uint8_t, 16> octets{};
  octets[10] = octets[11] = 0xff;
  std::copy_n(address.octets().begin(), 4, octets.begin() + 12);
  SocketAddress mapped;
  mapped.size_ = write_as(to_ipv6(octets, address), mapped.storage_);
  return mapped;
}

Address SocketAddress::address() const {
  return to_address(&storage_, static_cast<std::size_t>(size_));
}

Address to_address(const void* data, std::size_t size) {
  constexpr auto family_end = offsetof(sockaddr, sa_family) + sizeof(sockaddr::sa_family);
  if (size < family_end) return {};
  decltype(sockaddr::sa_family) family = 0;
  std::memcpy(&family, static_cast<const char*>(data) + offsetof(sockaddr, sa_family),
              sizeof family);
  if (family == AF_INET && size >= sizeof(sockaddr_in)) {
    return from_ipv4(read_as<sockaddr_in>(data));
  }
  if (family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    return from_ipv6(read_as<sockaddr_in6>(data));
  }
#ifndef _WIN32
  if (family == AF_UNIX) return from_unix(data, size);
#endif
  return {};
}

#ifndef _WIN32
Address address_of(AskForAddress ask, int descriptor) {
  SocketAddress address;
  if (ask(descriptor, address.data(), address.size_to_fill()) != 0) return {};
  return address.address();
}
#endif

}  // namespace weft::detail
