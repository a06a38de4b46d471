#include "dns_cache.hpp"

namespace weft::detail {

std::shared_ptr<const DnsAnswer> DnsCache::find(const DnsKey& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  if (clock_.now() >= found->second.expires) {
    forget(found);
    return nullptr;
  }
  used_.splice(used_.begin(), used_, found->second.used);
  return found->second.answer;
}

void DnsCache::keep(const DnsKey& key, std::shared_ptr<const DnsAnswer> answer, TimeToLive ttl) {
  if (max_answers_ == 0 || ttl <= TimeToLive::zero()) return;
  if (const auto before = entries_.find(key); before != entries_.end()) forget(before);
  if (entries_.size() >= max_answers_) forget(entries_.find(used_.back()));
  used_.push_front(key);
  entries_.insert_or_assign(key, Entry{std::move(answer), clock_.now() + ttl, used_.begin()});
}

void DnsCache::forget(Entries::iterator entry) noexcept {
  used_.erase(entry->second.used);
  entries_.erase(entry);
}

void DnsCache::clear() noexcept {
  entries_.clear();
  used_.clear();
}

}  // namespace weft::detail
