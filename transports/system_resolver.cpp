#include "system_resolver.hpp"

#include "../framework/error.hpp"
#include "../framework/thread_pool.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#endif

namespace weft {

namespace {

template <class Socket>
Socket read_as(const addrinfo& info) noexcept {
  Socket socket{};
  std::memcpy(&socket, info.ai_addr, std::min<std::size_t>(sizeof socket, info.ai_addrlen));
  return socket;
}

std::vector<Address> addresses_of(const addrinfo* list, Port port) {
  std::vector<Address> addresses;
  for (const auto* info = list; info != nullptr; info = info->ai_next) {
    if (info->ai_family == AF_INET) {
      const auto v4 = read_as<sockaddr_in>(*info);
      std::array<std::uint8_t, 4> octets{};
      std::memcpy(octets.data(), &v4.sin_addr, octets.size());
      addresses.push_back(Address::ipv4(octets, port));
    } else if (info->ai_family == AF_INET6) {
      const auto v6 = read_as<sockaddr_in6>(*info);
      std::array<std::uint8_t, 16> octets{};
      std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
      addresses.push_back(
          Address::ipv6(octets, port, static_cast<std::uint32_t>(v6.sin6_scope_id)));
    }
  }
  return addresses;
}

std::vector<Address> look_up(const std::string& host, Port port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(list, &::freeaddrinfo);
  if (error != 0) {
    throw ResolveError("Looking up \"" + host + "\" failed: " + ::gai_strerror(error) +
                       "; check the name and the network.");
  }
  auto addresses = addresses_of(list, port);
  if (addresses.empty()) throw ResolveError("\"" + host + "\" has no address; check the name.");
  return addresses;
}

}  // namespace

Deferred<std::vector<Address>> SystemResolver::resolve(std::string host, Port port) {
  if (const auto address = Address::parse(host, port)) {
    return succeed(std::vector<Address>{*address});
  }
  return defer_to_thread(reactor_, &look_up, std::move(host), port);
}

}  // namespace weft
