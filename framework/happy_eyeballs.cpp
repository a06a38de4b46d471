#include "happy_eyeballs.hpp"

#include "error.hpp"

#include <algorithm>
#include <array>
#include <typeinfo>
#include <utility>

namespace weft {

namespace {

// How many attempts a message tells of: a name may have any number of addresses.
constexpr std::size_t max_told_attempts = 10;

using Family = Address::Family;

Family other(Family family) noexcept {
  return family == Family::ipv6 ? Family::ipv4 : Family::ipv6;
}

}  // namespace

HappyEyeballs::Attempts::~Attempts() = default;

std::shared_ptr<HappyEyeballs> HappyEyeballs::make(Clock& clock, Attempts& attempts,
                                                   std::string target,
                                                   const HappyEyeballsOptions& options) {
  return std::shared_ptr<HappyEyeballs>(
      new HappyEyeballs(clock, attempts, std::move(target), options));
}

HappyEyeballs::HappyEyeballs(Clock& clock, Attempts& attempts, std::string target,
                             const HappyEyeballsOptions& options)
    : clock_(clock), attempts_(attempts), target_(std::move(target)), options_(options) {}

HappyEyeballs::~HappyEyeballs() {
  over_ = true;
  finish();
}

// ---- the addresses

void HappyEyeballs::start(Resolver& resolver, const std::string& host, Port port) {
  std::optional<Resolver::Families> families;
  try {
    families = resolver.resolve_families(host, port);
  } catch (...) {
    families.emplace(Resolver::Families{fail<std::vector<Address>>(Failure::current()),
                                        succeed(std::vector<Address>())});
  }
  if (!families) {
    await_both(maybe_deferred([&] { return resolver.resolve(host, port); }));
    return;
  }
  next_family_ = Family::ipv6;
  lookups_pending_ = 2;
  ipv6_pending_ = true;
  if (options_.only == Family::ipv4) families->ipv6.cancel();
  if (options_.only == Family::ipv6) families->ipv4.cancel();
  const auto self = shared_from_this();
  await_family(Family::ipv6, std::move(families->ipv6));
  await_family(Family::ipv4, std::move(families->ipv4));
}

void HappyEyeballs::start(std::vector<Address> addresses) {
  await_both(succeed(std::move(addresses)));
}

void HappyEyeballs::await_both(Deferred<std::vector<Address>> lookup) {
  lookups_pending_ = 1;
  await_family(Family::none, std::move(lookup));
}

void HappyEyeballs::await_family(Family family, Deferred<std::vector<Address>> lookup) {
  const auto ended = [weak = weak_from_this(), family](Outcome<std::vector<Address>> outcome) {
    const auto self = weak.lock();
    if (self == nullptr || self->over_) return;
    --self->lookups_pending_;
    if (family == Family::ipv6) self->ipv6_pending_ = false;
    if (outcome) {
      self->found(outcome.value());
    } else if (!self->options_.only || family == Family::none || family == self->options_.only) {
      self->lookup_failures_.push_back(outcome.failure());
    }
    self->proceed();
  };
  auto awaited = std::move(lookup).add_both(ended);
  lookups_.push_back(awaited.canceller());
}

void HappyEyeballs::found(const std::vector<Address>& addresses) {
  for (const auto& address : addresses) {
    if (options_.only && address.family() != *options_.only) {
      ++left_out_;
      continue;
    }
    if (!next_family_) next_family_ = address.family();
    (address.family() == Family::ipv6 ? ipv6_ : ipv4_).push_back(address);
  }
}

// ---- the schedule

void HappyEyeballs::proceed() {
  if (over_ || starting_) return;
  if (begun_) {
    // The last attempt has had its time when nobody waits for that any more.
    if (!attempt_delay_.active()) try_next();
    return;
  }
  const bool any = !ipv6_.empty() || !ipv4_.empty();
  if (any && ipv6_.empty() && ipv6_pending_) {
    if (resolution_delay_.active()) return;
    resolution_delay_ = clock_.call_later(options_.resolution_delay, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self == nullptr || self->over_) return;
      self->begun_ = true;
      self->try_next();
    });
    return;
  }
  if (!any && lookups_pending_ > 0) return;
  resolution_delay_.cancel_if_active();
  begun_ = true;
  try_next();
}

std::optional<Address> HappyEyeballs::take_next() {
  auto family = next_family_.value_or(Family::ipv6);
  if ((family == Family::ipv6 ? ipv6_ : ipv4_).empty()) family = other(family);
  auto& line = family == Family::ipv6 ? ipv6_ : ipv4_;
  if (line.empty()) return std::nullopt;
  next_family_ = other(family);
  auto address = std::move(line.front());
  line.pop_front();
  return address;
}

void HappyEyeballs::try_next() {
  const auto self = shared_from_this();
  attempt_delay_.cancel_if_active();
  while (const auto address = take_next()) {
    const auto attempt = states_.size();
    states_.push_back(State::running);
    starting_ = true;
    try {
      attempts_.start_attempt(attempt, *address);
    } catch (...) {
      failed(attempt, Failure::current());
    }
    starting_ = false;
    if (over_) return;
    if (states_[attempt] == State::failed) continue;
    const bool more = !ipv6_.empty() || !ipv4_.empty() || lookups_pending_ > 0;
    if (more) {
      attempt_delay_ = clock_.call_later(options_.attempt_delay, [weak = weak_from_this()] {
        const auto race = weak.lock();
        if (race != nullptr && !race->over_) race->try_next();
      });
    }
    return;
  }
  if (lookups_pending_ == 0 && !any_running()) lose();
}

// ---- outcomes

void HappyEyeballs::succeeded(std::size_t attempt) {
  if (over_ || states_.at(attempt) != State::running) return;
  const auto self = shared_from_this();
  over_ = true;
  finish();
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (i != attempt && states_[i] == State::running) attempts_.abandon_attempt(i);
  }
  attempts_.race_won(attempt);
}

void HappyEyeballs::failed(std::size_t attempt, Failure reason) {
  if (over_ || states_.at(attempt) != State::running) return;
  states_[attempt] = State::failed;
  failures_.push_back(std::move(reason));
  if (!starting_) try_next();
}

void HappyEyeballs::lose() {
  over_ = true;
  finish();
  if (failures_.empty()) {
    attempts_.race_lost(nothing_to_try());
    return;
  }
  // That a name has no address of one family is no news where the other's were tried.
  for (auto& failure : lookup_failures_) {
    if (failure.check<NameNotFound>() == nullptr) failures_.push_back(std::move(failure));
  }
  attempts_.race_lost(detail::most_telling(target_, failures_));
}

void HappyEyeballs::cancel() noexcept {
  if (std::exchange(over_, true)) return;
  finish();
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (states_[i] == State::running) attempts_.abandon_attempt(i);
  }
}

void HappyEyeballs::finish() noexcept {
  resolution_delay_.cancel_if_active();
  attempt_delay_.cancel_if_active();
  for (auto& lookup : std::exchange(lookups_, {}))
    lookup.cancel();
}

Failure HappyEyeballs::nothing_to_try() const {
  const auto telling =
      std::find_if(lookup_failures_.begin(), lookup_failures_.end(),
                   [](const Failure& failure) { return failure.check<NameNotFound>() == nullptr; });
  if (telling != lookup_failures_.end()) return *telling;
  if (left_out_ > 0) {
    return Failure(BindError("Connecting to " + target_ +
                             " failed: the local address asked for is of another family than all "
                             "of its addresses; choose one of that, or none."));
  }
  if (!lookup_failures_.empty()) return lookup_failures_.front();
  return Failure(ResolveError("\"" + target_ + "\" has no address; check the name."));
}

bool HappyEyeballs::any_running() const noexcept {
  return std::find(states_.begin(), states_.end(), State::running) != states_.end();
}

// ---- what is told of several failures

namespace detail {

namespace {

template <class E>
bool is(const Failure& failure) {
  return failure.check<E>() != nullptr;
}

template <class E>
Failure again(const Failure& failure, const std::string& message) {
  const auto& error = *failure.check<E>();
  return Failure(E(message, error.address(), error.code()));
}

// An error of a kind that has no name of its own.
bool is_unusual(const Failure& failure) {
  return typeid(failure.error()) == typeid(ConnectError);
}

struct Kind {
  bool (*matches)(const Failure&);
  Failure (*remade)(const Failure&, const std::string&);
};

// The most telling first: that somebody is there but refuses says more than that nobody answers,
// and that a family has no route at all says little.
constexpr std::array kinds{
    Kind{&is<ConnectionRefused>, &again<ConnectionRefused>},
    Kind{&is<ConnectTimeout>, &again<ConnectTimeout>},
    Kind{&is_unusual, &again<ConnectError>},
    Kind{&is<BindError>, &again<BindError>},
    Kind{&is<NoRoute>, &again<NoRoute>},
    Kind{&is<ResolveTimeout>, &again<ResolveTimeout>},
    Kind{&is<ResolveError>, &again<ResolveError>},
};

}  // namespace

Failure most_telling(const std::string& target, const std::vector<Failure>& failures) {
  if (failures.size() == 1) return failures.front();
  auto message = "None of the " + std::to_string(failures.size()) + " attempts to connect to " +
                 target + " succeeded.";
  for (std::size_t i = 0; i < failures.size() && i < max_told_attempts; ++i)
    message += " " + failures[i].message();
  if (failures.size() > max_told_attempts) {
    message +=
        " The other " + std::to_string(failures.size() - max_told_attempts) + " failed as well.";
  }
  for (const auto& kind : kinds) {
    const auto found = std::find_if(failures.begin(), failures.end(), kind.matches);
    if (found != failures.end()) return kind.remade(*found, message);
  }
  return failures.front();
}

}  // namespace detail

}  // namespace weft
