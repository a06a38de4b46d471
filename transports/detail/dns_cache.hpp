// Answers of DNS, kept for as long as they say.
#pragma once

#include "dns_message.hpp"

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace weft::detail {

/// A name in lower case, and the type of record that is asked for.
using DnsKey = std::pair<std::string, DnsType>;

/// Limits: `max_answers`; the one not used for longest makes room. Lifetime: the clock must live
/// longer.
class DnsCache {
 public:
  DnsCache(Clock& clock, std::size_t max_answers) noexcept
      : clock_(clock), max_answers_(max_answers) {}
  DnsCache(const DnsCache&) = delete;
  DnsCache& operator=(const DnsCache&) = delete;

  /// Null when it is not known, or no longer.
  [[nodiscard]] std::shared_ptr<const DnsAnswer> find(const DnsKey& key);
  void keep(const DnsKey& key, std::shared_ptr<const DnsAnswer> answer, TimeToLive ttl);
  void clear() noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    std::shared_ptr<const DnsAnswer> answer;
    TimePoint expires;
    std::list<DnsKey>::iterator used;
  };
  using Entries = std::map<DnsKey, Entry>;
  void forget(Entries::iterator entry) noexcept;

  Clock& clock_;
  std::size_t max_answers_;
  Entries entries_;
  // The last used first.
  std::list<DnsKey> used_;
};

}  // namespace weft::detail
