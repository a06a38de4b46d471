// Names looked up in the hosts file and by DNS, inside the loop.
#pragma once

#include "../framework/clock.hpp"
#include "../framework/dns_records.hpp"
#include "../framework/resolver.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {

class Reactor;
namespace detail {
class DnsLookups;
}

/// How names are looked up. What is left unset is as the system has it: in /etc/resolv.conf on
/// Linux.
struct DnsOptions {
  DnsOptions() {}
  /// Whom to ask, the first first; numeric, and with port 53 where the port is zero.
  std::vector<Address> servers;
  /// How long one server is given before the next is asked. What it answers later still counts, as
  /// long as the look-up lasts.
  Duration try_timeout = std::chrono::seconds(2);
  /// How often each server is asked: nobody answering costs `try_timeout` for each try of each.
  int tries = 2;
  /// For a whole look-up, with all servers, tries and search domains.
  Duration time_limit = std::chrono::seconds(10);
  /// What is put behind a name that has fewer than `ndots` dots, before it is asked for as it is.
  std::optional<std::vector<std::string>> search_domains;
  std::optional<int> ndots;
  /// Read before DNS is asked; empty for none.
  std::string hosts_path = "/etc/hosts";
  /// Where servers, search domains and `ndots` are read from; empty for the system's own.
  std::string resolv_conf_path;
  /// Begins with another server each time, rather than with the first.
  bool rotate = false;
  /// Answers that are kept; zero keeps none. The one not used for longest makes room.
  std::size_t max_cached_answers = 1000;
  /// The longest that an answer is kept, whatever its TTL.
  std::chrono::seconds max_ttl = std::chrono::hours(24);
  /// The same for the news that there is none.
  std::chrono::seconds max_negative_ttl = std::chrono::minutes(5);
  /// Gives a number from zero to its argument, both included: who of equal SRV records comes first.
  /// The system's randomness, unless set.
  std::function<std::uint32_t(std::uint32_t)> random;
};

/// Asks the hosts file and then DNS, over UDP, and over TCP what does not fit. Nothing is read or
/// opened before the first name. Answers are kept as long as they say (their TTL), and so is the
/// news that there is none (RFC 2308). The same question asked twice at a time is sent once.
/// "localhost" is this machine and "invalid" nothing (RFC 6761), without asking anybody. Each
/// look-up can be cancelled, which forgets it. Errors: NameNotFound when the name does not exist or
/// has no such record; ResolveTimeout when nobody answered in time; ResolveError for the rest,
/// and for what is no name. They say which name and which server. Limits: a name of DNS alone: no
/// mDNS, and no IDNA: give "xn--..." names. Lifetime: the reactor must live longer.
class DnsResolver final : public Resolver {
 public:
  /// Errors: InvalidArgument for times, tries or servers that make no sense;
  /// NotSupportedOnThisPlatform where weft was built without c-ares.
  explicit DnsResolver(Reactor& reactor, DnsOptions options = {});
  ~DnsResolver() override;
  DnsResolver(const DnsResolver&) = delete;
  DnsResolver& operator=(const DnsResolver&) = delete;

  /// IPv6 addresses first; what one family's failure hides when the other has an answer.
  Deferred<std::vector<Address>> resolve(std::string host, Port port) override;
  std::optional<Families> resolve_families(const std::string& host, Port port) override;

  /// The addresses of one family; `name` is searched for in the search domains.
  Deferred<std::vector<AddressRecord>> addresses(std::string name, Address::Family family);
  /// Where a service is, such as "_imap._tcp.example.org", in the order in which to try them: by
  /// priority, and by chance in the proportion of the weights (RFC 2782).
  /// Errors: NameNotFound also where the domain says that it offers no such service.
  Deferred<std::vector<SrvRecord>> srv(std::string name);
  Deferred<std::vector<TxtRecord>> txt(std::string name);
  /// Best first. A single one whose `exchange` is "." says that the domain takes no mail
  /// (RFC 7505).
  Deferred<std::vector<MxRecord>> mx(std::string name);
  /// The names of an address, whatever its port. Errors: InvalidArgument, thrown at once, for what
  /// is no IPv4 or IPv6 address.
  Deferred<std::vector<PtrRecord>> ptr(const Address& address);

  /// Forgets all answers.
  void clear_cache() noexcept;

 private:
  std::shared_ptr<detail::DnsLookups> lookups_;
};

/// Whether DnsResolver can be used here: weft was built with c-ares.
[[nodiscard]] bool has_dns_resolver() noexcept;

/// What a reactor looks names up with unless told otherwise: a DnsResolver, or a SystemResolver
/// where there is none.
[[nodiscard]] std::shared_ptr<Resolver> make_default_resolver(Reactor& reactor);

}  // namespace weft
