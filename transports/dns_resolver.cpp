#include "dns_resolver.hpp"

#include "../framework/deferred_list.hpp"
#include "../framework/detail/address_parts.hpp"
#include "../framework/error.hpp"
#include "detail/dns_lookups.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

using Addresses = std::vector<Address>;

Addresses with_port(const std::vector<AddressRecord>& records, Port port) {
  Addresses addresses;
  for (const auto& record : records)
    addresses.push_back(detail::with_port(record.address, port));
  return addresses;
}

/// The addresses of both families; the more telling failure where there are none.
Addresses joined(const Outcome<Addresses>& ipv6, const Outcome<Addresses>& ipv4) {
  if (!ipv6 && !ipv4) {
    const bool ipv4_tells_nothing = ipv4.failure().check<NameNotFound>() != nullptr;
    (ipv4_tells_nothing ? ipv6 : ipv4).failure().raise();
  }
  Addresses all;
  if (ipv6) all = ipv6.value();
  if (ipv4) all.insert(all.end(), ipv4.value().begin(), ipv4.value().end());
  return all;
}

}  // namespace

DnsResolver::DnsResolver(Reactor& reactor, DnsOptions options)
    : lookups_(std::make_shared<detail::DnsLookups>(reactor, std::move(options))) {}

DnsResolver::~DnsResolver() {
  lookups_->close();
}

Deferred<Addresses> DnsResolver::resolve(std::string host, Port port) {
  if (const auto numeric = Address::parse(host, port)) return succeed(Addresses{*numeric});
  auto families = resolve_families(host, port);
  std::vector<Deferred<Addresses>> both;
  both.push_back(std::move(families->ipv6));
  both.push_back(std::move(families->ipv4));
  return deferred_list(std::move(both))
      .add_callback([](const std::vector<Outcome<Addresses>>& outcomes) {
        return joined(outcomes[0], outcomes[1]);
      });
}

std::optional<Resolver::Families> DnsResolver::resolve_families(const std::string& host,
                                                                Port port) {
  const auto of = [&](Address::Family family) {
    return addresses(host, family).add_callback([port](const std::vector<AddressRecord>& records) {
      return with_port(records, port);
    });
  };
  // Asked in the order in which they are wanted.
  auto ipv6 = of(Address::Family::ipv6);
  return Families{std::move(ipv6), of(Address::Family::ipv4)};
}

Deferred<std::vector<AddressRecord>> DnsResolver::addresses(std::string name,
                                                            Address::Family family) {
  if (family != Address::Family::ipv4 && family != Address::Family::ipv6) {
    throw InvalidArgument("Names have IPv4 and IPv6 addresses; ask for one of these families.");
  }
  if (const auto numeric = Address::parse(name, 0)) {
    if (numeric->family() == family) return succeed(std::vector<AddressRecord>{{*numeric, {}}});
    return fail<std::vector<AddressRecord>>(
        Failure(NameNotFound("\"" + name + "\" is an address of the other family.")));
  }
  return maybe_deferred([&] { return lookups_->addresses(name, family); });
}

Deferred<std::vector<SrvRecord>> DnsResolver::srv(std::string name) {
  return maybe_deferred([&] { return lookups_->records<SrvRecord>(name, detail::DnsType::srv); })
      .add_callback([lookups = lookups_, name](std::vector<SrvRecord> records) {
        if (records.size() == 1 && records[0].target == ".") {
          throw NameNotFound("The service \"" + name + "\" is not offered, says its domain.");
        }
        detail::order_by_weight(records, [&](std::uint32_t most) { return lookups->random(most); });
        return records;
      });
}

Deferred<std::vector<TxtRecord>> DnsResolver::txt(std::string name) {
  return maybe_deferred([&] { return lookups_->records<TxtRecord>(name, detail::DnsType::txt); });
}

Deferred<std::vector<MxRecord>> DnsResolver::mx(std::string name) {
  return maybe_deferred([&] { return lookups_->records<MxRecord>(name, detail::DnsType::mx); })
      .add_callback([](std::vector<MxRecord> records) {
        std::stable_sort(records.begin(), records.end(),
                         [](const auto& a, const auto& b) { return a.preference < b.preference; });
        return records;
      });
}

Deferred<std::vector<PtrRecord>> DnsResolver::ptr(const Address& address) {
  if (address.family() != Address::Family::ipv4 && address.family() != Address::Family::ipv6) {
    throw InvalidArgument("Only IPv4 and IPv6 addresses have names in DNS, not " + address.text() +
                          ".");
  }
  return maybe_deferred([&] { return lookups_->names(address); });
}

void DnsResolver::clear_cache() noexcept {
  lookups_->clear_cache();
}

bool has_dns_resolver() noexcept {
  return true;
}

std::shared_ptr<Resolver> make_default_resolver(Reactor& reactor) {
  return std::make_shared<DnsResolver>(reactor);
}

}  // namespace weft
