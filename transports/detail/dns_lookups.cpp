#include "dns_lookups.hpp"

#include "../../framework/detail/address_parts.hpp"
#include "../../framework/error.hpp"
#include "lower_case.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace weft::detail {

namespace {

constexpr std::size_t max_text_size = 253;
constexpr std::size_t max_part_size = 63;
constexpr Port dns_port = 53;

/// What is wrong with a name in lower case without a dot at its end; nothing when it can be asked.
const char* fault_of(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > max_text_size) return "is longer than 253 bytes";
  for (const char letter : name) {
    if (static_cast<unsigned char>(letter) >= 0x80) {
      return "is not ASCII; give its form for DNS, which begins with xn--";
    }
    if (letter <= ' ' || letter == 0x7f || letter == '\\') return "has a letter that no name has";
  }
  for (std::size_t start = 0; start <= name.size();) {
    const auto end = std::min(name.find('.', start), name.size());
    if (end == start) return "has an empty part between its dots";
    if (end - start > max_part_size) return "has a part longer than 63 bytes";
    start = end + 1;
  }
  return nullptr;
}

std::string normal(const std::string& name) {
  auto lower = lower_case(name);
  if (lower.size() > 1 && lower.back() == '.') lower.pop_back();
  return lower;
}

/// A name for a message: a beginning of it, in which every letter can be seen.
std::string shown(const std::string& name) {
  auto text = name.substr(0, max_text_size);
  std::replace_if(
      text.begin(), text.end(),
      [](char letter) { return (letter >= 0 && letter < ' ') || letter == 0x7f; }, '?');
  return "\"" + text + "\"";
}

/// Errors: ResolveError for what is no name.
std::string checked(const std::string& name) {
  auto lower = normal(name);
  if (const char* const fault = fault_of(lower)) {
    throw ResolveError(shown(name) + " cannot be looked up: it " + fault + ".");
  }
  return lower;
}

bool is_below(std::string_view name, std::string_view domain) {
  return name == domain || (name.size() > domain.size() && name.ends_with(domain) &&
                            name[name.size() - domain.size() - 1] == '.');
}

const Address& loopback(Address::Family family) {
  static const Address v4 = *Address::parse("127.0.0.1", 0);
  static const Address v6 = *Address::parse("::1", 0);
  return family == Address::Family::ipv4 ? v4 : v6;
}

std::vector<AddressRecord> of_family(const std::vector<Address>& addresses,
                                     Address::Family family) {
  std::vector<AddressRecord> records;
  for (const auto& address : addresses) {
    if (address.family() == family) records.push_back({address, {}});
  }
  return records;
}

Failure without_family(const std::string& name, Address::Family family, const char* who) {
  return Failure(NameNotFound("\"" + name + "\" has no " +
                              (family == Address::Family::ipv4 ? "IPv4" : "IPv6") + " address " +
                              who + "."));
}

void refuse_if(bool wrong, const char* message) {
  if (wrong) throw InvalidArgument(message);
}

void check(const DnsOptions& options) {
  refuse_if(options.try_timeout <= Duration::zero() || options.time_limit <= Duration::zero(),
            "A DNS resolver was given no time; try_timeout and time_limit must be more than zero.");
  refuse_if(options.tries < 1, "A DNS resolver may not ask even once; tries must be one or more.");
  refuse_if(options.ndots && *options.ndots < 0, "ndots counts dots; it must not be negative.");
  for (const auto& server : options.servers) {
    const bool is_ip =
        server.family() == Address::Family::ipv4 || server.family() == Address::Family::ipv6;
    refuse_if(!is_ip, "A DNS server is an IPv4 or IPv6 address.");
  }
}

}  // namespace

DnsLookups::DnsLookups(Reactor& reactor, DnsOptions options)
    : reactor_(reactor), options_(std::move(options)), hosts_(options_.hosts_path) {
  check(options_);
}

DnsQuestions& DnsLookups::questions() {
  if (questions_ != nullptr) return *questions_;
  DnsSystem system;
  const bool all_given = !options_.servers.empty() && options_.search_domains && options_.ndots;
  if (!all_given) system = read_dns_system(options_.resolv_conf_path);
  std::vector<Address> servers;
  for (const auto& server : options_.servers.empty() ? system.servers : options_.servers) {
    servers.push_back(server.port() != 0 ? server : with_port(server, dns_port));
  }
  ndots_ = static_cast<std::size_t>(options_.ndots.value_or(system.ndots));
  for (const auto& domain : options_.search_domains.value_or(system.search_domains))
    search_domains_.push_back(normal(domain));
  const DnsPatience patience{options_.try_timeout, options_.tries, options_.rotate,
                             options_.max_ttl, options_.max_negative_ttl};
  questions_ = std::make_shared<DnsQuestions>(reactor_, std::move(servers), patience,
                                              options_.max_cached_answers);
  return *questions_;
}

void DnsLookups::clear_cache() noexcept {
  if (questions_ != nullptr) questions_->clear_cache();
}

void DnsLookups::close() noexcept {
  if (questions_ != nullptr) questions_->close("its resolver is gone");
}

std::uint32_t DnsLookups::random(std::uint32_t most) {
  if (options_.random) return options_.random(most);
  if (!engine_) engine_.emplace(std::random_device()());
  return std::uniform_int_distribution<std::uint32_t>(0, most)(*engine_);
}

// ---- names

Deferred<std::vector<AddressRecord>> DnsLookups::addresses(const std::string& given,
                                                           Address::Family family) {
  const auto name = checked(given);
  if (const auto known = hosts_.addresses(name); !known.empty()) {
    auto records = of_family(known, family);
    if (records.empty())
      return fail<std::vector<AddressRecord>>(without_family(given, family, "in the hosts file"));
    return succeed(std::move(records));
  }
  if (is_below(name, "localhost")) {
    return succeed(std::vector<AddressRecord>{{loopback(family), {}}});
  }
  if (is_below(name, "invalid")) {
    return fail<std::vector<AddressRecord>>(
        Failure(NameNotFound("\"" + given +
                             "\" does not exist, like all below \"invalid\" "
                             "(RFC 6761); check the name.")));
  }
  const auto type = family == Address::Family::ipv4 ? DnsType::a : DnsType::aaaa;
  // The questions must be there before the search domains are known.
  static_cast<void>(questions());
  auto all = given.ends_with('.') ? std::vector{name} : candidates(name);
  const auto shared = std::make_shared<const std::vector<std::string>>(std::move(all));
  return limited(search(shared, 0, type), given, type)
      .add_callback([self = shared_from_this(), given, type](const Answer& answer) {
        return self->taken<AddressRecord>(*answer, given, type);
      });
}

std::vector<std::string> DnsLookups::candidates(const std::string& name) {
  const auto dots = static_cast<std::size_t>(std::count(name.begin(), name.end(), '.'));
  std::vector<std::string> names;
  for (const auto& domain : search_domains_) {
    auto longer = domain == "." ? name : name + "." + domain;
    if (fault_of(longer) == nullptr) names.push_back(std::move(longer));
  }
  names.insert(dots >= ndots_ ? names.begin() : names.end(), name);
  return names;
}

Deferred<DnsLookups::Answer> DnsLookups::search(const Candidates& candidates, std::size_t next,
                                                DnsType type) {
  auto answer = questions().ask((*candidates)[next], type);
  if (next + 1 == candidates->size()) return answer;
  // A name that is there ends the search, though it may lack this type: else the families of one
  // connect could come from different names.
  return std::move(answer).add_callback(
      [self = shared_from_this(), candidates, next, type](Answer found) -> Deferred<Answer> {
        if (found->code == DnsCode::no_such_name) return self->search(candidates, next + 1, type);
        return succeed(std::move(found));
      });
}

Deferred<DnsLookups::Answer> DnsLookups::limited(Deferred<Answer> answer, const std::string& name,
                                                 DnsType type) {
  if (answer.ready()) return answer;
  return std::move(answer)
      .add_timeout(reactor_, options_.time_limit)
      .add_errback<TimeoutError>([self = shared_from_this(), name, type](const Failure&) -> Answer {
        const auto seconds = std::chrono::duration<double>(self->options_.time_limit).count();
        char text[32];
        std::snprintf(text, sizeof text, "%g s", seconds);
        throw ResolveTimeout("Looking up " + std::string(dns_type_name(type)) + " of \"" + name +
                             "\" took longer than " + text + "; the DNS servers " +
                             self->questions().servers_text() +
                             " were asked. Check the network, or name another server.");
      });
}

template <class Record>
std::vector<Record> DnsLookups::taken(const DnsAnswer& answer, const std::string& name,
                                      DnsType type) const {
  if (answer.records.empty()) {
    const auto server = ", says the DNS server " + answer.server.text() + "; check the name.";
    const auto which = "\"" + name + "\" ";
    throw NameNotFound(
        answer.code == DnsCode::no_such_name
            ? which + "does not exist" + server
            : which + "has no " + std::string(dns_type_name(type)) + " record" + server,
        answer.server);
  }
  const auto age = std::chrono::floor<TimeToLive>(reactor_.now() - answer.came);
  std::vector<Record> records;
  for (const auto& each : answer.records) {
    auto record = std::get<Record>(each);
    record.ttl = std::max(record.ttl - age, TimeToLive::zero());
    records.push_back(std::move(record));
  }
  return records;
}

template <class Record>
Deferred<std::vector<Record>> DnsLookups::records(const std::string& given, DnsType type) {
  const auto name = checked(given);
  return limited(questions().ask(name, type), given, type)
      .add_callback([self = shared_from_this(), given, type](const Answer& answer) {
        return self->taken<Record>(*answer, given, type);
      });
}

template Deferred<std::vector<SrvRecord>> DnsLookups::records(const std::string&, DnsType);
template Deferred<std::vector<MxRecord>> DnsLookups::records(const std::string&, DnsType);
template Deferred<std::vector<TxtRecord>> DnsLookups::records(const std::string&, DnsType);

Deferred<std::vector<PtrRecord>> DnsLookups::names(const Address& address) {
  const auto bare = with_port(address, 0);
  if (const auto known = hosts_.names(bare); !known.empty()) {
    std::vector<PtrRecord> records;
    for (const auto& name : known)
      records.push_back({name, {}});
    return succeed(std::move(records));
  }
  return records<PtrRecord>(reverse_name(address), DnsType::ptr);
}

// ---- orders and names of their own

void order_by_weight(std::vector<SrvRecord>& records,
                     const std::function<std::uint32_t(std::uint32_t)>& random) {
  // Those without weight come first within their priority, so that they have a small chance.
  std::stable_sort(records.begin(), records.end(), [](const SrvRecord& a, const SrvRecord& b) {
    return std::pair(a.priority, a.weight != 0) < std::pair(b.priority, b.weight != 0);
  });
  for (auto next = records.begin(); next != records.end(); ++next) {
    const auto equals_end = std::find_if(next, records.end(), [&](const SrvRecord& each) {
      return each.priority != next->priority;
    });
    const auto sum = std::accumulate(
        next, equals_end, std::uint32_t{0},
        [](std::uint32_t total, const SrvRecord& each) { return total + each.weight; });
    const auto drawn = random(sum);
    auto chosen = next;
    for (std::uint32_t passed = chosen->weight; passed < drawn; passed += chosen->weight)
      ++chosen;
    std::rotate(next, chosen, chosen + 1);
  }
}

std::string reverse_name(const Address& address) {
  std::string name;
  const auto& octets = address.octets();
  if (address.family() == Address::Family::ipv4) {
    for (int i = 3; i >= 0; --i)
      name += std::to_string(octets[static_cast<std::size_t>(i)]) + ".";
    return name + "in-addr.arpa";
  }
  constexpr std::string_view digits = "0123456789abcdef";
  for (auto octet = octets.rbegin(); octet != octets.rend(); ++octet) {
    name += digits[*octet & 0xf];
    name += '.';
    name += digits[*octet >> 4];
    name += '.';
  }
  return name + "ip6.arpa";
}

}  // namespace weft::detail
