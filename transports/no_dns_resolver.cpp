#include "../framework/error.hpp"
#include "dns_resolver.hpp"
#include "system_resolver.hpp"

namespace weft {

namespace {

// Nobody has an object to call these on, since none can be made.
[[noreturn]] void refuse_lookups() {
  throw NotSupportedOnThisPlatform(
      "This weft was built without c-ares, so it has no DnsResolver; use a SystemResolver.");
}

}  // namespace

DnsResolver::DnsResolver(Reactor&, DnsOptions) {
  refuse_lookups();
}
DnsResolver::~DnsResolver() = default;

Deferred<std::vector<Address>> DnsResolver::resolve(std::string, Port) {
  refuse_lookups();
}
std::optional<Resolver::Families> DnsResolver::resolve_families(const std::string&, Port) {
  refuse_lookups();
}
Deferred<std::vector<AddressRecord>> DnsResolver::addresses(std::string, Address::Family) {
  refuse_lookups();
}
Deferred<std::vector<SrvRecord>> DnsResolver::srv(std::string) {
  refuse_lookups();
}
Deferred<std::vector<TxtRecord>> DnsResolver::txt(std::string) {
  refuse_lookups();
}
Deferred<std::vector<MxRecord>> DnsResolver::mx(std::string) {
  refuse_lookups();
}
Deferred<std::vector<PtrRecord>> DnsResolver::ptr(const Address&) {
  refuse_lookups();
}
void DnsResolver::clear_cache() noexcept {}

bool has_dns_resolver() noexcept {
  return false;
}

std::shared_ptr<Resolver> make_default_resolver(Reactor& reactor) {
  return std::make_shared<SystemResolver>(reactor);
}

}  // namespace weft
