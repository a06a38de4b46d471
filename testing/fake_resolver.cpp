#include "fake_resolver.hpp"

#include "../framework/detail/address_parts.hpp"
#include "../framework/error.hpp"

#include <memory>
#include <utility>

namespace weft::testing {

struct FakeResolver::Pending {
  std::optional<Promise<std::vector<Address>>> promise;
  DelayedCall call;
};

FakeResolver::FakeResolver(Clock& clock) : clock_(clock) {}

FakeResolver::~FakeResolver() {
  for (const auto& pending : pending_)
    pending->call.cancel_if_active();
}

FakeResolver::Answer FakeResolver::Answer::never() {
  Answer answer;
  answer.after.reset();
  return answer;
}

void FakeResolver::add(std::string name, Answer answer) {
  Name known;
  known.both = std::move(answer);
  names_.insert_or_assign(std::move(name), std::move(known));
}

void FakeResolver::add_families(std::string name, Answer ipv6, Answer ipv4) {
  Name known;
  known.ipv6 = std::move(ipv6);
  known.ipv4 = std::move(ipv4);
  names_.insert_or_assign(std::move(name), std::move(known));
}

Deferred<std::vector<Address>> FakeResolver::resolve(std::string host, Port port) {
  if (const auto numeric = Address::parse(host, port)) return succeed(std::vector{*numeric});
  questions_.push_back(host);
  const auto known = names_.find(host);
  if (known == names_.end()) {
    return fail<std::vector<Address>>(Failure(NameNotFound(
        "\"" + host + "\" does not exist here; give the fake resolver an answer by add.")));
  }
  if (known->second.both) return give(*known->second.both, port);
  auto families = Families{give(known->second.ipv6, port), give(known->second.ipv4, port)};
  return std::move(families.ipv6)
      .add_callback([ipv4 = std::move(families.ipv4)](std::vector<Address> all) mutable {
        return std::move(ipv4).add_callback(
            [all = std::move(all)](const std::vector<Address>& more) mutable {
              all.insert(all.end(), more.begin(), more.end());
              return std::move(all);
            });
      });
}

std::optional<Resolver::Families> FakeResolver::resolve_families(const std::string& host,
                                                                 Port port) {
  const auto known = names_.find(host);
  if (known == names_.end() || known->second.both) return std::nullopt;
  questions_.push_back(host);
  return Families{give(known->second.ipv6, port), give(known->second.ipv4, port)};
}

Deferred<std::vector<Address>> FakeResolver::give(const Answer& answer, Port port) {
  Outcome<std::vector<Address>> outcome{std::vector<Address>()};
  if (answer.failure) {
    outcome = *answer.failure;
  } else {
    for (const auto& address : answer.addresses)
      outcome.value().push_back(weft::detail::with_port(address, port));
  }
  if (answer.after == Duration::zero()) {
    return Deferred<std::vector<Address>>(std::move(outcome));
  }
  std::erase_if(pending_, [](const auto& each) { return each->promise->fired(); });
  const auto pending = std::make_shared<Pending>();
  pending_.push_back(pending);
  pending->promise.emplace([weak = std::weak_ptr(pending), count = cancelled_] {
    ++*count;
    if (const auto forgotten = weak.lock()) forgotten->call.cancel_if_active();
  });
  if (answer.after) {
    pending->call = clock_.call_later(
        *answer.after, [weak = std::weak_ptr(pending), outcome = std::move(outcome)]() mutable {
          if (const auto due = weak.lock()) due->promise->fire(std::move(outcome));
        });
  }
  return pending->promise->deferred();
}

}  // namespace weft::testing
