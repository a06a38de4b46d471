#include "datagram_port.hpp"

#include "../../framework/error.hpp"
#include "../../framework/logging.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#ifndef _WIN32
#include <fcntl.h>
#endif

namespace weft::detail {

namespace {

using ErrorCode = boost::system::error_code;
namespace errc = boost::system::errc;

// What one wake-up may receive before others have their turn, and what a datagram counts at least.
constexpr std::size_t share_of_a_wake = 256 * 1024;
constexpr std::size_t least_cost = 512;

// The most that the headers leave of a packet.
constexpr std::size_t max_udp_bytes_ipv4 = 65'535 - 20 - 8;
constexpr std::size_t max_udp_bytes_ipv6 = 65'535 - 8;

// A UNIX socket whose peer takes no more tells nobody of room there, so it is tried again.
constexpr auto first_retry = std::chrono::milliseconds(1);
constexpr auto last_retry = std::chrono::milliseconds(64);

// How long a port rests whose socket fails for no reason that goes away by asking.
constexpr auto rest_time = std::chrono::milliseconds(100);

#ifdef _WIN32
constexpr int at_once = 0;  // the socket does not block
#else
constexpr int at_once = MSG_DONTWAIT | MSG_NOSIGNAL;
#endif

// What the last call on a socket failed with; comparable with boost::system::errc everywhere.
ErrorCode socket_error() noexcept {
  return {last_socket_error(), boost::system::system_category()};
}

bool again(const ErrorCode& error) noexcept {
  return error == errc::operation_would_block || error == errc::resource_unavailable_try_again;
}

// Scratch memory for one datagram, and one byte more to see that it was longer.
std::span<char> read_buffer() {
  constexpr auto size = BasicDatagramTransport::largest_datagram + 1;
  static thread_local const auto buffer = std::make_unique_for_overwrite<char[]>(size);
  return {buffer.get(), size};
}

std::error_code to_std(const ErrorCode& error) {
  return error;
}

OwnedSocket make_socket(int family) noexcept {
#ifdef __linux__
  return OwnedSocket(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
#else
  OwnedSocket socket(::socket(family, SOCK_DGRAM, 0));
#ifdef _WIN32
  u_long on = 1;
  if (socket.open()) ::ioctlsocket(socket.get(), FIONBIO, &on);
#else
  ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
  ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
#endif
  return socket;
#endif
}

bool set(NativeSocket socket, int level, int name, const void* value, socklen_t size) noexcept {
  return ::setsockopt(socket, level, name, static_cast<const char*>(value), size) == 0;
}

bool set(NativeSocket socket, int level, int name, int value) noexcept {
  return set(socket, level, name, &value, sizeof value);
}

template <class Octets>
void copy_octets(const Address& from, Octets& to) noexcept {
  std::memcpy(&to, from.octets().data(), sizeof to);
}

// What `ask` (getsockname, getpeername) tells.
template <class Ask>
Address told(Ask ask, NativeSocket socket) {
  SocketAddress address;
  if (ask(socket, address.data(), address.size_to_fill()) != 0) return {};
  return address.address();
}

[[noreturn]] void refuse_port(const std::string& where, const ErrorCode& error) {
  const auto code = to_std(error);
  if (error == errc::address_in_use) {
    throw AddressInUse("Somebody has the port " + where +
                           " already; stop them, choose another port, or 0 for a free one.",
                       {}, code);
  }
  throw ListenError("The port " + where + " cannot be opened: " + code.message() +
                        "; check the address, and that this user may use the port.",
                    {}, code);
}

}  // namespace

DatagramPort::DatagramPort(Reactor& reactor, const DatagramOptions& options)
    : BasicDatagramTransport(reactor, options), retry_pause_(first_retry) {}

// ---- opening

void DatagramPort::open_udp(Port port) {
  const auto& interface = options().interface;
  const bool everywhere = interface.empty();
  const auto address = Address::parse(everywhere ? "::" : interface, port);
  if (!address) {
    throw ListenError("\"" + interface +
                      "\" is no numeric address of an interface; give one such as 127.0.0.1 or "
                      "::1.");
  }
  auto error = bind_udp(*address);
  if (error && everywhere && error != errc::address_in_use) {
    // A machine without IPv6.
    error = bind_udp(Address::ipv4({0, 0, 0, 0}, port));
  }
  if (error) refuse_port((everywhere ? "*" : interface) + ":" + std::to_string(port), error);
}

// Gives what was wrong with the socket, which is closed then.
ErrorCode DatagramPort::bind_udp(const Address& address) {
  const SocketAddress name(address);
  family_ = name.family();
  auto socket = make_socket(family_);
  if (!socket.open()) return socket_error();
  const auto on = [&socket](int level, int option) { return set(socket.get(), level, option, 1); };
  bool good = true;
  if (options().reuse_address) good = on(SOL_SOCKET, SO_REUSEADDR);
#ifdef SO_REUSEPORT
  if (good && options().reuse_port) good = on(SOL_SOCKET, SO_REUSEPORT);
#endif
  if (good && options().broadcast) good = on(SOL_SOCKET, SO_BROADCAST);
  if (good && family_ == AF_INET6) {
    good = set(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, options().ipv6_only ? 1 : 0);
  }
  if (!good || ::bind(socket.get(), name.data(), name.size()) != 0) return socket_error();
  const auto bound = told(::getsockname, socket.get());
  any_address_ = bound.host() == "::" || bound.host() == "0.0.0.0";
  set_host(bound);
  take(std::move(socket));
  return {};
}

void DatagramPort::take(OwnedSocket socket) {
  socket_ = socket.get();
  adopt(std::move(socket));
}

#ifndef _WIN32
void DatagramPort::open_unix(std::string path) {
  is_unix_ = true;
  family_ = AF_UNIX;
  auto socket = make_socket(AF_UNIX);
  if (path.empty()) {
    if (!socket.open()) refuse_port("of a UNIX socket", socket_error());
    set_host(Address::unix_socket(""));
  } else {
    binding_.bind(socket.get(), std::move(path), std::nullopt);
    set_host(binding_.address());
  }
  int buffer = 0;
  socklen_t size = sizeof buffer;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &buffer, &size);
  // The system keeps some of it for itself.
  max_bytes_ = static_cast<std::size_t>(std::max(buffer - 32, 0));
  take(std::move(socket));
}
#endif

Address DatagramPort::connect_to(const Address& peer) {
  const auto name = native(peer);
  if (::connect(socket_, name.data(), name.size()) != 0) {
    const auto error = socket_error();
    const auto text = "The port at " + host().text() + " cannot be connected to " + peer.text() +
                      ": " + error.message() + "; check the address.";
    if (error == errc::network_unreachable || error == errc::host_unreachable) {
      throw NoRoute(text, peer, to_std(error));
    }
    if (error == errc::connection_refused || error == errc::no_such_file_or_directory) {
      throw ConnectionRefused(text, peer, to_std(error));
    }
    throw ConnectError(text, peer, to_std(error));
  }
  if (is_unix_) return peer;
  set_host(told(::getsockname, socket_));
  return told(::getpeername, socket_);
}

void DatagramPort::close() noexcept {
  retry_call_.cancel_if_active();
  rest_call_.cancel_if_active();
  if (std::exchange(socket_, no_socket) != no_socket) close_socket();
#ifndef _WIN32
  binding_.release();
#endif
}

// ---- sending

void DatagramPort::check_destination(const Address& to) const {
  using Family = Address::Family;
  bool fits = false;
  if (is_unix_) {
    fits = to.family() == Family::unix_socket && !to.path().empty();
  } else if (to.family() == Family::ipv4) {
    // An IPv6 socket may carry IPv4 as well, unless it is bound to an address of IPv6.
    const bool both = any_address_ && !options().ipv6_only;
    fits = family_ == AF_INET || both || host().family() == Family::ipv4;
  } else if (to.family() == Family::ipv6) {
    fits = family_ == AF_INET6;
  }
  if (!fits) {
    throw InvalidArgument("The port at " + host().text() + " cannot send to " + to.text() +
                              ", an address of another family or of nobody; open one that can.",
                          to);
  }
  if (!is_unix_ && to.port() == 0) {
    throw InvalidArgument("Nothing can be sent to " + to.text() + ", which has no port; give one.",
                          to);
  }
  if (is_unix_) static_cast<void>(native(to));
}

SocketAddress DatagramPort::native(const Address& address) const {
  return family_ == AF_INET6 ? SocketAddress::for_ipv6(address) : SocketAddress(address);
}

std::size_t DatagramPort::max_bytes_to(const Address& to) const {
  if (is_unix_) return max_bytes_;
  return to.family() == Address::Family::ipv4 ? max_udp_bytes_ipv4 : max_udp_bytes_ipv6;
}

BasicDatagramTransport::Sent DatagramPort::try_send(BytesView data, const Address& to) {
  const bool to_peer = to.family() == Address::Family::none;
  const auto name = to_peer ? SocketAddress() : native(to);
  // A connected socket first tells what became of an earlier datagram: that it was refused, or too
  // long for the way there.
  bool told_refused = false;
  bool told_too_long = false;
  for (;;) {
    const auto count =
        ::sendto(socket_, data.data(),
#ifdef _WIN32
                 static_cast<int>(data.size()),
#else
                 data.size(),
#endif
                 at_once, to_peer ? nullptr : name.data(), to_peer ? 0 : name.size());
    if (count >= 0) {
      retry_pause_ = first_retry;
      return Sent::taken;
    }
    const auto error = socket_error();
    if (error == errc::interrupted) continue;
    if (error == errc::connection_refused && !std::exchange(told_refused, true)) {
      refused();
      continue;
    }
    if (to_peer && error == errc::message_size && !std::exchange(told_too_long, true)) continue;
    return not_sent(error, data, to);
  }
}

BasicDatagramTransport::Sent DatagramPort::not_sent(const ErrorCode& error, BytesView data,
                                                    const Address& to) const {
  const bool to_peer = to.family() == Address::Family::none;
  if (again(error)) return is_unix_ && !to_peer ? Sent::address_blocked : Sent::blocked;
  if (error == errc::message_size) refuse_length(data.size(), to_peer ? peer() : to);
  if (error == errc::permission_denied && to.family() == Address::Family::ipv4) {
    throw InvalidArgument(to.text() + " reaches many; allow broadcast in the port's options first.",
                          to, to_std(error));
  }
  return Sent::failed;
}

void DatagramPort::send_later() {
  // The system tells of room at a peer only where the socket is connected to it.
  if (!is_unix_ || peer().family() != Address::Family::none) {
    wait_writable();
    return;
  }
  retry_call_ = clock().call_later(retry_pause_, [this] { sendable(); });
  retry_pause_ = std::min<Duration>(2 * retry_pause_, last_retry);
}

void DatagramPort::writable() noexcept {
  if (socket_ == no_socket) return;
  const Turn::Scope scope(*turn());
  sendable();
}

// ---- receiving

void DatagramPort::receiving_changed() {
  if (socket_ != no_socket && receiving_wanted() && !rest_call_.active()) wait_readable();
}

void DatagramPort::readable() noexcept {
  const auto self = shared_from_this();
  std::size_t share = share_of_a_wake;
  try {
    while (receiving_wanted() && share > 0) {
      const auto error = receive_one(share);
      if (again(error)) return;
      if (error) return rest();
    }
    // It is told lazily that nobody wants any.
    if (!receiving_wanted() && socket_ != no_socket) stop_reading();
  } catch (...) {
    log_failure("datagrams", "A port could not receive", Failure::current());
    rest();
  }
}

// Nothing where there may be another one.
ErrorCode DatagramPort::receive_one(std::size_t& share) {
  const auto most = max_datagram_bytes();
  const auto room = read_buffer().first(most + 1);
  SocketAddress sender;
  const auto result = ::recvfrom(socket_, room.data(),
#ifdef _WIN32
                                 static_cast<int>(room.size()), 0,
#else
                                 room.size(), at_once,
#endif
                                 sender.data(), sender.size_to_fill());
  auto count = static_cast<std::size_t>(result);
  if (result < 0) {
    const auto error = socket_error();
    if (error == errc::connection_refused || error == errc::connection_reset) {
      share -= std::min(share, least_cost);
      refused();
      return {};
    }
    if (error == errc::interrupted) return {};
    if (error != errc::message_size) return error;
#ifdef _WIN32
    // There was more.
    count = room.size();
#else
    // No datagram: a router says that one which was sent earlier was too long for it. The system
    // knows the way's length by now, and cuts the next ones.
    share -= std::min(share, least_cost);
    return {};
#endif
  }
  share -= std::min(share, std::max(count, least_cost));
  const BytesView data(room.data(), std::min(count, most));
  const auto from = is_unix_ && sender.size() == 0 ? Address::unix_socket("") : sender.address();
  count > most ? truncated(data, from) : received(data, from);
  return {};
}

// The network may be down, or memory short: asking again at once would only be told the same.
void DatagramPort::rest() noexcept {
  if (socket_ == no_socket) return;
  stop_reading();
  try {
    rest_call_ = clock().call_later(rest_time, [this] { receiving_changed(); });
  } catch (...) {
    log_failure("datagrams", "A port receives no more", Failure::current());
  }
}

// ---- what only UDP can do

void DatagramPort::set_option(int level, int name, const void* value, socklen_t size,
                              std::string_view what) {
  if (socket_ == no_socket || set(socket_, level, name, value, size)) return;
  const auto error = socket_error();
  throw InvalidArgument("The port at " + host().text() + " was asked for " + std::string(what) +
                            ", and the system refused: " + error.message() + ".",
                        {}, to_std(error));
}

// An IPv6 socket may carry IPv4 as well, where the system lets it.
void DatagramPort::set_for_families(int ipv4_name, int ipv6_name, int value,
                                    std::string_view what) {
  if (family_ == AF_INET6) {
    set_option(IPPROTO_IPV6, ipv6_name, &value, sizeof value, what);
    set(socket_, IPPROTO_IP, ipv4_name, value);
  } else {
    set_option(IPPROTO_IP, ipv4_name, &value, sizeof value, what);
  }
}

void DatagramPort::change_group(bool join, const Address& group, const Address& interface) {
  const auto what = (join ? "joining " : "leaving ") + group.host();
  if (group.family() == Address::Family::ipv6) {
    ipv6_mreq request{};
    copy_octets(group, request.ipv6mr_multiaddr);
    request.ipv6mr_interface = interface.scope_id() != 0 ? interface.scope_id() : group.scope_id();
    set_option(IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &request, sizeof request,
               what);
    return;
  }
  ip_mreq request{};
  copy_octets(group, request.imr_multiaddr);
  copy_octets(interface, request.imr_interface);
  set_option(IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &request, sizeof request,
             what);
}

void DatagramPort::join_group(const Address& group, const Address& interface) {
  change_group(true, group, interface);
}

void DatagramPort::leave_group(const Address& group, const Address& interface) {
  change_group(false, group, interface);
}

void DatagramPort::set_multicast_interface(const Address& interface) {
  const auto what = "multicast by " + interface.host();
  if (interface.family() == Address::Family::ipv4) {
    in_addr address{};
    copy_octets(interface, address);
    set_option(IPPROTO_IP, IP_MULTICAST_IF, &address, sizeof address, what);
  } else {
    const auto index = interface.scope_id();
    set_option(IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index, what);
  }
}

void DatagramPort::set_multicast_loopback(bool on) {
  set_for_families(IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, on ? 1 : 0, "multicast to itself");
}

void DatagramPort::set_multicast_ttl(int hops) {
  if (hops < 0 || hops > 255) {
    throw InvalidArgument("Multicast passes 0 to 255 routers, not " + std::to_string(hops) + ".");
  }
  set_for_families(IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, hops, "a multicast TTL");
}

void DatagramPort::set_hop_limit(int hops) {
  if (hops < 1 || hops > 255) {
    throw InvalidArgument("A hop limit is 1 to 255, not " + std::to_string(hops) + ".");
  }
  set_for_families(IP_TTL, IPV6_UNICAST_HOPS, hops, "a hop limit");
}

void DatagramPort::set_broadcast(bool on) {
  const int value = on ? 1 : 0;
  set_option(SOL_SOCKET, SO_BROADCAST, &value, sizeof value, "broadcast");
}

}  // namespace weft::detail
