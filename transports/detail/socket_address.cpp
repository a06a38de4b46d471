#include "socket_address.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <netinet/in.h>
#include <string>
#include <sys/un.h>
#include <utility>

namespace weft::detail {

namespace {

Address from_ipv6(const sockaddr_in6& in) {
  const Port port = ntohs(in.sin6_port);
  if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {
    std::array<std::uint8_t, 4> octets;
    std::copy_n(in.sin6_addr.s6_addr + 12, octets.size(), octets.begin());
    return Address::ipv4(octets, port);
  }
  std::array<std::uint8_t, 16> octets;
  std::memcpy(octets.data(), &in.sin6_addr, octets.size());
  return Address::ipv6(octets, port, in.sin6_scope_id);
}

Address from_unix(const sockaddr_un& un, socklen_t size) {
  const auto start = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path));
  std::string path(un.sun_path, size > start ? size - start : 0);
  // A path ends with a NUL, an abstract name begins with one.
  if (!path.empty() && path.front() != '\0') path.resize(std::strlen(path.c_str()));
  return Address::unix_socket(std::move(path));
}

template <class T>
T read_as(const sockaddr_storage& storage) {
  T address{};
  std::memcpy(&address, &storage, sizeof address);
  return address;
}

}  // namespace

Address to_address(const sockaddr_storage& storage, socklen_t size) {
  switch (storage.ss_family) {
    case AF_INET: {
      const auto in = read_as<sockaddr_in>(storage);
      std::array<std::uint8_t, 4> octets;
      std::memcpy(octets.data(), &in.sin_addr, octets.size());
      return Address::ipv4(octets, ntohs(in.sin_port));
    }
    case AF_INET6:
      return from_ipv6(read_as<sockaddr_in6>(storage));
    case AF_UNIX:
      return from_unix(read_as<sockaddr_un>(storage), size);
    default:
      return {};
  }
}

Address address_of(AskForAddress ask, int descriptor) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (ask(descriptor, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return to_address(storage, size);
}

}  // namespace weft::detail
