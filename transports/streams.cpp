#include "streams.hpp"

#include "../framework/error.hpp"

#ifdef __linux__

#include "detail/descriptor_transport.hpp"

#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace weft {

namespace {

using detail::DescriptorTransport;
using detail::OwnedDescriptor;
using detail::UsedDescriptor;

Address address_from(const sockaddr_storage& storage, socklen_t size) {
  if (storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &storage, sizeof in);
    std::array<std::uint8_t, 4> octets;
    std::memcpy(octets.data(), &in.sin_addr, octets.size());
    return Address::ipv4(octets, ntohs(in.sin_port));
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &storage, sizeof in);
    std::array<std::uint8_t, 16> octets;
    std::memcpy(octets.data(), &in.sin6_addr, octets.size());
    return Address::ipv6(octets, ntohs(in.sin6_port), in.sin6_scope_id);
  }
  if (storage.ss_family == AF_UNIX) {
    sockaddr_un un{};
    std::memcpy(&un, &storage, sizeof un);
    const auto length = static_cast<std::size_t>(size) - offsetof(sockaddr_un, sun_path);
    std::string path(un.sun_path, length);
    // A path ends with a NUL, an abstract name begins with one.
    if (!path.empty() && path.front() != '\0') path.resize(std::strlen(path.c_str()));
    return Address::unix_socket(std::move(path));
  }
  return {};
}

using Ask = int (*)(int, sockaddr*, socklen_t*);

// What `ask` tells of a socket; nothing for what is none.
Address told(Ask ask, int descriptor) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (ask(descriptor, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return address_from(storage, size);
}

void begin(const std::shared_ptr<DescriptorTransport>& transport,
           std::shared_ptr<Protocol> protocol) {
  if (protocol == nullptr) {
    throw InvalidArgument("A connection was given no protocol, so nobody would talk; pass one.");
  }
  transport->establish(std::move(protocol));
}

OwnedDescriptor copy_of(int descriptor) {
  return OwnedDescriptor(::fcntl(descriptor, F_DUPFD_CLOEXEC, 3));
}

}  // namespace

void adopt_stream(Reactor& reactor, Descriptor descriptor, std::shared_ptr<Protocol> protocol) {
  UsedDescriptor used(OwnedDescriptor(static_cast<int>(descriptor)));
  auto host = told(::getsockname, used.get());
  auto peer = told(::getpeername, used.get());
  begin(std::make_shared<DescriptorTransport>(reactor, std::move(used), std::move(host),
                                              std::move(peer)),
        std::move(protocol));
}

void adopt_pipes(Reactor& reactor, Descriptor input, Descriptor output,
                 std::shared_ptr<Protocol> protocol) {
  OwnedDescriptor in(static_cast<int>(input));
  OwnedDescriptor out(static_cast<int>(output));
  begin(std::make_shared<DescriptorTransport>(reactor, UsedDescriptor(std::move(in)),
                                              UsedDescriptor(std::move(out))),
        std::move(protocol));
}

void open_stdio(Reactor& reactor, std::shared_ptr<Protocol> protocol) {
  auto in = copy_of(STDIN_FILENO);
  auto out = copy_of(STDOUT_FILENO);
  begin(std::make_shared<DescriptorTransport>(reactor, UsedDescriptor(std::move(in)),
                                              UsedDescriptor(std::move(out))),
        std::move(protocol));
}

}  // namespace weft

#else

namespace weft {

namespace {

[[noreturn]] void refuse() {
  throw NotSupportedOnThisPlatform(
      "This system's descriptors cannot be watched; use a transport of the reactor instead.");
}

}  // namespace

void adopt_stream(Reactor&, Descriptor, std::shared_ptr<Protocol>) {
  refuse();
}
void adopt_pipes(Reactor&, Descriptor, Descriptor, std::shared_ptr<Protocol>) {
  refuse();
}
void open_stdio(Reactor&, std::shared_ptr<Protocol>) {
  refuse();
}

}  // namespace weft

#endif
