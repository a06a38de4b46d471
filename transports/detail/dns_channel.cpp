#include "dns_channel.hpp"

#include "../../framework/context.hpp"
#include "../../framework/error.hpp"
#include "../../framework/logging.hpp"

#include <ares.h>

#include <algorithm>
#include <ares_nameser.h>
#include <cstring>
#include <utility>

namespace weft::detail {

namespace {

// What fits into one packet on nearly every path (DNS flag day 2020).
constexpr int max_udp_answer = 1232;

void check(int status, const char* what) {
  if (status == ARES_SUCCESS) return;
  throw ResolveError(std::string("DNS cannot be asked: ") + what +
                     " failed in c-ares: " + ::ares_strerror(status) + ".");
}

void prepare_library() {
  // Never given back: c-ares counts, and other users in the program may come and go.
  static const int status = ::ares_library_init(ARES_LIB_INIT_ALL);
  check(status, "beginning");
}

ares_addr_port_node to_node(const Address& server) {
  ares_addr_port_node node{};
  const bool is_v4 = server.family() == Address::Family::ipv4;
  node.family = is_v4 ? AF_INET : AF_INET6;
  std::memcpy(&node.addr, server.octets().data(), is_v4 ? 4 : 16);
  node.udp_port = server.port();
  node.tcp_port = server.port();
  return node;
}

Address to_address(const ares_addr_port_node& node) {
  const auto port = static_cast<Port>(node.udp_port != 0 ? node.udp_port : NAMESERVER_PORT);
  if (node.family == AF_INET) {
    std::array<std::uint8_t, 4> octets{};
    std::memcpy(octets.data(), &node.addr, octets.size());
    return Address::ipv4(octets, port);
  }
  std::array<std::uint8_t, 16> octets{};
  std::memcpy(octets.data(), &node.addr, octets.size());
  return Address::ipv6(octets, port);
}

struct DestroyChannel {
  void operator()(ares_channeldata* channel) const noexcept { ::ares_destroy(channel); }
};

}  // namespace

DnsSystem read_dns_system(const std::string& resolv_conf_path) {
  prepare_library();
  ares_options options{};
  auto path = resolv_conf_path;
  options.resolvconf_path = path.data();
  ares_channel raw = nullptr;
  check(::ares_init_options(&raw, &options, path.empty() ? 0 : ARES_OPT_RESOLVCONF),
        "reading the system's settings");
  const std::unique_ptr<ares_channeldata, DestroyChannel> channel(raw);

  DnsSystem system;
  ares_addr_port_node* servers = nullptr;
  check(::ares_get_servers_ports(raw, &servers), "listing the servers");
  for (const auto* each = servers; each != nullptr; each = each->next)
    system.servers.push_back(to_address(*each));
  ::ares_free_data(servers);
  ares_options saved{};
  int mask = 0;
  check(::ares_save_options(raw, &saved, &mask), "reading the search domains");
  for (int i = 0; i < saved.ndomains; ++i)
    system.search_domains.emplace_back(saved.domains[i]);
  system.ndots = saved.ndots;
  ::ares_destroy_options(&saved);
  return system;
}

DnsChannel::DnsChannel(Reactor& reactor, const Address& server, Duration patience)
    : reactor_(reactor) {
  prepare_library();
  ares_options options{};
  // What the server says is judged here, and each server has one try here.
  options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_EDNS;
  options.ednspsz = max_udp_answer;
  options.timeout = static_cast<int>(
      std::min<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(patience).count(),
                             std::chrono::milliseconds(std::chrono::hours(1)).count()));
  options.tries = 1;
  options.ndots = 1;
  char lookups[] = "b";
  options.lookups = lookups;
  in_addr placeholder{};
  options.servers = &placeholder;
  options.nservers = 1;
  options.sock_state_cb = [](void* self, ares_socket_t socket, int readable, int writable) {
    static_cast<DnsChannel*>(self)->socket_changed(static_cast<int>(socket), readable != 0,
                                                   writable != 0);
  };
  options.sock_state_cb_data = this;
  // With all of these given, c-ares reads no files.
  constexpr int given = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                        ARES_OPT_NDOTS | ARES_OPT_LOOKUPS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
                        ARES_OPT_SORTLIST | ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE;
  check(::ares_init_options(&channel_, &options, given), "making a channel");
  auto node = to_node(server);
  const int status = ::ares_set_servers_ports(channel_, &node);
  if (status != ARES_SUCCESS) ::ares_destroy(std::exchange(channel_, nullptr));
  check(status, "setting the server");
}

DnsChannel::~DnsChannel() {
  deliver_later_.cancel_if_active();
  closing_ = true;
  ::ares_destroy(channel_);
}

void DnsChannel::ask(const std::string& name, DnsType type, Done done) {
  auto asked = std::make_unique<Asked>(Asked{this, std::move(done)});
  ++asked_;
  ::ares_query(channel_, name.c_str(), ns_c_in, static_cast<int>(type), &DnsChannel::answered,
               asked.release());
  // What failed at once is told from the loop.
  if (answered_.empty() || deliver_later_.active()) return;
  const auto everybody_s = Context::suppress();
  deliver_later_ = reactor_.call_later(Duration::zero(), [this] { deliver(); });
}

void DnsChannel::answered(void* argument, int status, int, unsigned char* message,
                          int size) noexcept {
  const std::unique_ptr<Asked> asked(static_cast<Asked*>(argument));
  auto& self = *asked->channel;
  if (self.closing_) return;
  try {
    Answered answer{std::move(asked->done), Result::unreachable, {}};
    if (message != nullptr) {
      answer.result = Result::answered;
      answer.message.assign(message, message + size);
    } else if (status == ARES_ETIMEOUT) {
      answer.result = Result::silent;
    }
    self.answered_.push_back(std::move(answer));
  } catch (...) {
    // Without memory the answer counts as lost: its owner's time limit tells.
    log_failure("dns", "An answer could not be kept", Failure::current());
  }
}

void DnsChannel::socket_changed(int descriptor, bool readable, bool writable) noexcept {
  if (!readable && !writable) {
    sockets_.erase(descriptor);
    return;
  }
  try {
    auto& socket = sockets_[descriptor];
    watch(socket.readable, descriptor, Interest::readable, readable);
    watch(socket.writable, descriptor, Interest::writable, writable);
  } catch (...) {
    // No answer will be heard there, which the time limit of the question tells.
    log_failure("dns", "The socket to a DNS server could not be watched", Failure::current());
  }
}

void DnsChannel::watch(Watch& watch, int descriptor, Interest interest, bool wanted) {
  if (wanted == watch.active()) return;
  if (!wanted) {
    watch.cancel();
    return;
  }
  const auto everybody_s = Context::suppress();
  watch = reactor_.watch(
      descriptor, interest, [this, descriptor, interest] { ready(descriptor, interest); },
      SourceLocation());
}

void DnsChannel::ready(int descriptor, Interest interest) {
  const auto self = shared_from_this();
  const bool readable = interest == Interest::readable;
  ::ares_process_fd(channel_, readable ? descriptor : ARES_SOCKET_BAD,
                    readable ? ARES_SOCKET_BAD : descriptor);
  deliver();
}

void DnsChannel::deliver() {
  const auto self = shared_from_this();
  for (auto& answer : std::exchange(answered_, {}))
    answer.done(answer.result, answer.message);
}

}  // namespace weft::detail
