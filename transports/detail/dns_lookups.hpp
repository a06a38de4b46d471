// What a name means here: hosts file, names of their own, search domains, and then DNS.
#pragma once

#include "../dns_resolver.hpp"
#include "dns_questions.hpp"
#include "hosts_file.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace weft::detail {

/// Behind a DnsResolver. Nothing is read or opened before the first look-up.
class DnsLookups final : public std::enable_shared_from_this<DnsLookups> {
 public:
  using Answer = DnsQuestions::Answer;

  /// Errors: InvalidArgument.
  DnsLookups(Reactor& reactor, DnsOptions options);

  Deferred<std::vector<AddressRecord>> addresses(const std::string& name, Address::Family family);
  /// The records of exactly `name`; Record is one of those that DNS has.
  template <class Record>
  Deferred<std::vector<Record>> records(const std::string& name, DnsType type);
  Deferred<std::vector<PtrRecord>> names(const Address& address);

  void clear_cache() noexcept;
  /// Fails all that waits.
  void close() noexcept;
  /// A number from zero to `most`.
  [[nodiscard]] std::uint32_t random(std::uint32_t most);

 private:
  using Candidates = std::shared_ptr<const std::vector<std::string>>;

  DnsQuestions& questions();
  [[nodiscard]] std::vector<std::string> candidates(const std::string& name);
  Deferred<Answer> search(const Candidates& candidates, std::size_t next, DnsType type);
  Deferred<Answer> limited(Deferred<Answer> answer, const std::string& name, DnsType type);
  template <class Record>
  [[nodiscard]] std::vector<Record> taken(const DnsAnswer& answer, const std::string& name,
                                          DnsType type) const;

  Reactor& reactor_;
  DnsOptions options_;
  HostsFile hosts_;
  std::vector<std::string> search_domains_;
  std::size_t ndots_ = 1;
  std::shared_ptr<DnsQuestions> questions_;
  std::optional<std::minstd_rand> engine_;
};

/// The order in which to try them (RFC 2782): by priority, and by chance in proportion to the
/// weights among equals. `random` gives a number from zero to its argument.
void order_by_weight(std::vector<SrvRecord>& records,
                     const std::function<std::uint32_t(std::uint32_t)>& random);

/// The name below which DNS keeps the names of `address` (RFC 1035, 3.5; RFC 3596, 2.5).
[[nodiscard]] std::string reverse_name(const Address& address);

}  // namespace weft::detail
