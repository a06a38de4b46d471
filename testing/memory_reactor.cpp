#include "memory_reactor.hpp"

#include "../framework/census.hpp"
#include "../framework/connect_attempt.hpp"
#include "../framework/detail/address_parts.hpp"
#include "../framework/error.hpp"
#include "../framework/happy_eyeballs.hpp"
#include "../framework/listener.hpp"
#include "../framework/turn.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <stdexcept>

namespace weft::testing {

namespace {

using weft::detail::is_everywhere;
using weft::detail::is_here;

constexpr int max_rounds = 1'000'000;
// In real time: how long a run whose next event can only come from a thread waits for it.
constexpr auto patience = std::chrono::seconds(10);

}  // namespace

// ---- the parts

class MemoryReactor::Names final : public Resolver {
 public:
  Deferred<std::vector<Address>> resolve(std::string host, weft::Port port) override {
    if (const auto numeric = Address::parse(host, port))
      return weft::succeed(std::vector{*numeric});
    const auto known = names_.find(host);
    if (known == names_.end()) {
      return weft::fail<std::vector<Address>>(Failure(
          ResolveError("\"" + host + "\" has no address here; give it one with add_name.")));
    }
    auto addresses = known->second;
    for (auto& address : addresses)
      address = weft::detail::with_port(address, port);
    return weft::succeed(std::move(addresses));
  }
  void add(std::string name, std::vector<Address> addresses) {
    names_.insert_or_assign(std::move(name), std::move(addresses));
  }

 private:
  std::map<std::string, std::vector<Address>> names_{
      {"localhost", {Address::ipv4({127, 0, 0, 1}, 0)}}};
};

class MemoryReactor::Port final : public Listener {
 public:
  Port(MemoryReactor& reactor, std::shared_ptr<Factory> factory, const ListenOptions& options)
      : Listener(reactor, std::move(factory)), reactor_(reactor), options_(options) {}

  void open(const Address& address) { opened(address); }
  [[nodiscard]] bool shares_its_port() const noexcept { return options_.reuse_port; }
  void accept(const std::shared_ptr<StreamTransport>& transport) {
    if (!listening()) return transport->abort_connection();
    // Nobody overtakes who came while it was paused.
    if (!accepting() || !waiting_.empty()) return waiting_.push_back(transport);
    take(transport);
  }

 private:
  void close_port() noexcept override {
    for (const auto& transport : std::exchange(waiting_, {}))
      transport->abort_connection();
    std::erase_if(reactor_.ports_, [this](const auto& port) { return port.get() == this; });
  }
  void accept_again() noexcept override {
    while (accepting() && !waiting_.empty()) {
      const auto next = std::move(waiting_.front());
      waiting_.pop_front();
      take(next);
    }
  }
  void take(const std::shared_ptr<StreamTransport>& transport) {
    accepted(transport);
    if (const auto end = std::dynamic_pointer_cast<MemoryTransport>(transport))
      reactor_.ends_.push_back(end);
  }

  MemoryReactor& reactor_;
  ListenOptions options_;
  // Who came while it was paused.
  std::deque<std::shared_ptr<StreamTransport>> waiting_;
};

class MemoryReactor::Connector final : public ConnectAttempt, private HappyEyeballs::Attempts {
 public:
  Connector(MemoryReactor& reactor, std::shared_ptr<Factory> factory, std::string host,
            weft::Port port, const ConnectOptions& options)
      : ConnectAttempt(reactor, std::move(factory)),
        reactor_(reactor),
        host_(std::move(host)),
        port_(port),
        options_(options) {}

  Deferred<std::shared_ptr<Protocol>> start(bool by_itself) {
    auto outcome = begin();
    timeout_ = reactor_.call_later(options_.timeout, [self = self()] { self->timed_out(); });
    if (!by_itself) return outcome;
    reactor_.call_later(Duration::zero(), [self = self()] {
      if (!self->over()) self->resolve();
    });
    return outcome;
  }

  [[nodiscard]] const std::string& host() const noexcept { return host_; }
  [[nodiscard]] weft::Port port() const noexcept { return port_; }
  [[nodiscard]] const ConnectOptions& options() const noexcept { return options_; }

  [[nodiscard]] MemoryReactor& reactor() const noexcept { return reactor_; }
  void joined(const std::shared_ptr<StreamTransport>& transport) { connected(transport); }
  void refuse(Failure reason) { failed(std::move(reason)); }
  void check_waiting() const {
    if (over()) throw std::logic_error("The connect to " + target() + " is over already.");
  }

 private:
  [[nodiscard]] std::string target() const override {
    return Address::parse(host_, port_) ? Address::parse(host_, port_)->text()
                                        : host_ + ":" + std::to_string(port_);
  }
  void end_attempt() noexcept override {
    timeout_.cancel_if_active();
    if (race_ != nullptr) race_->cancel();
    std::erase_if(reactor_.waiting_, [this](const auto& each) { return each.get() == this; });
  }
  void timed_out() {
    failed(Failure(ConnectTimeout("Connecting to " + target() + " took longer than allowed.")));
  }

  void resolve() {
    HappyEyeballsOptions options;
    const auto numeric = Address::parse(host_, port_);
    if (options_.bind_address && !numeric) options.only = options_.bind_address->family();
    race_ = HappyEyeballs::make(reactor_, *this, target(), options);
    if (numeric) {
      race_->start({*numeric});
    } else {
      race_->start(reactor_.resolver(), host_, port_);
    }
  }
  void start_attempt(std::size_t attempt, const Address& address) override {
    if (options_.bind_address && !is_here(*options_.bind_address)) {
      race_->failed(attempt, Failure(BindError("Connecting to " + target() + " from " +
                                                   options_.bind_address->text() +
                                                   " failed: that is no address of this machine.",
                                               *options_.bind_address)));
    } else if (reactor_.silent_.contains(address.host())) {
      return;
    } else if (reactor_.find_port(address) == nullptr) {
      race_->failed(attempt, Failure(ConnectionRefused("Connecting to " + address.text() +
                                                           " failed: nobody listens there.",
                                                       address)));
    } else {
      reached_ = address;
      race_->succeeded(attempt);
    }
  }
  void abandon_attempt(std::size_t) noexcept override {}
  void race_won(std::size_t) override { reactor_.join(self(), reached_); }
  void race_lost(Failure reason) override { failed(std::move(reason)); }
  std::shared_ptr<Connector> self() {
    return std::static_pointer_cast<Connector>(shared_from_this());
  }

  MemoryReactor& reactor_;
  std::string host_;
  weft::Port port_;
  ConnectOptions options_;
  DelayedCall timeout_;
  std::shared_ptr<HappyEyeballs> race_;
  Address reached_;
};

class MemoryReactor::MemoryWatcher final : public Watch::Watcher {
 public:
  MemoryWatcher(Callback callback, const SourceLocation& where)
      : callback_(std::move(callback)), where_(where) {
    census().watches.fetch_add(1, std::memory_order_relaxed);
  }
  ~MemoryWatcher() override { cancel(); }

  void cancel() noexcept override {
    if (std::exchange(active_, false)) census().watches.fetch_sub(1, std::memory_order_relaxed);
  }
  [[nodiscard]] bool active() const noexcept override { return active_; }
  void ready(Turn& turn) {
    auto copy = context_.share();
    const auto where = where_;
    turn.enter_logged_in(copy, "The callback of a watch threw", callback_, Turn::Subject(&where));
  }

 private:
  Callback callback_;
  SourceLocation where_;
  weft::detail::HeldContext context_ = weft::detail::HeldContext::capture();
  bool active_ = true;
};

// ---- the reactor

MemoryReactor::MemoryReactor(Time time, Delivery delivery)
    : time_(time), delivery_(delivery), names_(std::make_shared<Names>()), datagrams_(*this) {
  set_resolver(names_);
  set_stop_on_signals(false);
}

MemoryReactor::~MemoryReactor() {
  end();
}

TimePoint MemoryReactor::now() const {
  return time_ == Time::real ? std::chrono::steady_clock::now() : now_;
}

// ---- ports

ListeningPort MemoryReactor::listen_tcp(weft::Port port, std::shared_ptr<Factory> factory,
                                        const ListenOptions& options) {
  turn().check_thread();
  auto listener = std::make_shared<Port>(*this, std::move(factory), options);
  const auto address = Address::parse(options.interface.empty() ? "::" : options.interface, port);
  if (!address || !is_here(*address)) {
    throw ListenError("\"" + options.interface +
                      "\" is no address of this machine; give one such as 127.0.0.1 or ::1.");
  }
  check_free(*address, options);
  listener->made_at(options.where);
  listener->open(free_address(*address));
  ports_.push_back(listener);
  return ListeningPort(std::move(listener));
}

void MemoryReactor::check_free(const Address& address, const ListenOptions& options) const {
  for (const auto& port : ports_) {
    const auto& taken = port->address();
    const bool meet =
        taken.host() == address.host() || is_everywhere(taken) || is_everywhere(address);
    const bool share = options.reuse_port && port->shares_its_port();
    if (address.port() != 0 && taken.port() == address.port() && meet && !share) {
      throw AddressInUse("Somebody listens on " + address.text() +
                             " already; stop them, choose another port, or 0 for a free one.",
                         address, std::make_error_code(std::errc::address_in_use));
    }
  }
}

Address MemoryReactor::free_address(Address address) {
  return address.port() != 0 ? address : weft::detail::with_port(address, next_port_++);
}

std::shared_ptr<MemoryReactor::Port> MemoryReactor::find_port(const Address& address) const {
  for (const auto& port : ports_) {
    const auto& here = port->address();
    const bool meet = here.host() == address.host() || (is_everywhere(here) && is_here(address));
    if (here.port() == address.port() && meet) return port;
  }
  return nullptr;
}

std::vector<Address> MemoryReactor::ports() const {
  std::vector<Address> addresses;
  for (const auto& port : ports_)
    addresses.push_back(port->address());
  return addresses;
}

std::shared_ptr<StringTransport> MemoryReactor::connect_to(weft::Port port, const Address& peer) {
  for (const auto& each : ports_) {
    if (each->address().port() != port) continue;
    const auto transport = std::make_shared<StringTransport>(*this);
    transport->set_host(each->address());
    transport->set_peer(peer);
    each->accept(transport);
    settle();
    return {transport.get(), [transport](StringTransport*) { transport->abort_connection(); }};
  }
  throw ConnectionRefused("Nobody listens on port " + std::to_string(port) + " of this reactor.");
}

// ---- connects

Deferred<std::shared_ptr<Protocol>> MemoryReactor::connect_tcp(std::string host, weft::Port port,
                                                               std::shared_ptr<Factory> factory,
                                                               const ConnectOptions& options) {
  turn().check_thread();
  auto connector =
      std::make_shared<Connector>(*this, std::move(factory), std::move(host), port, options);
  connector->made_at(options.where);
  if (connects_ == Connects::by_hand) waiting_.push_back(connector);
  return connector->start(connects_ == Connects::to_ports);
}

void MemoryReactor::join(const std::shared_ptr<Connector>& connector, const Address& address) {
  const auto port = find_port(address);
  const auto& bound = connector->options().bind_address;
  const auto near =
      free_address(bound && !is_everywhere(*bound) ? *bound : weft::detail::with_port(address, 0));
  auto [client, server] =
      MemoryTransport::make_pair(*this, near, address, MemoryTransport::default_capacity);
  backlog_.emplace_back(port, std::move(server));
  connector->joined(client);
  ends_.push_back(client);
}

std::vector<MemoryReactor::PendingConnect> MemoryReactor::connects() const {
  std::vector<PendingConnect> pending;
  for (const auto& connector : waiting_)
    pending.emplace_back(connector);
  return pending;
}

const std::string& MemoryReactor::PendingConnect::host() const {
  return connector_->host();
}

Port MemoryReactor::PendingConnect::port() const {
  return connector_->port();
}

const ConnectOptions& MemoryReactor::PendingConnect::options() const {
  return connector_->options();
}

std::shared_ptr<StringTransport> MemoryReactor::PendingConnect::succeed() const {
  connector_->check_waiting();
  const auto transport = std::make_shared<StringTransport>(connector_->reactor());
  const auto peer = Address::parse(host(), port());
  transport->set_peer(peer ? *peer : Address::ipv4({192, 0, 2, 1}, port()));
  connector_->joined(transport);
  connector_->reactor().settle();
  return {transport.get(), [transport](StringTransport*) { transport->abort_connection(); }};
}

void MemoryReactor::PendingConnect::fail(Failure reason) const {
  connector_->check_waiting();
  connector_->refuse(std::move(reason));
  connector_->reactor().settle();
}

void MemoryReactor::add_name(std::string name, std::vector<Address> addresses) {
  names_->add(std::move(name), std::move(addresses));
}

void MemoryReactor::add_silent_host(std::string host) {
  const auto address = Address::parse(host, 0);
  if (!address) {
    throw InvalidArgument("\"" + host + "\" is no numeric host, so it cannot be silent.");
  }
  silent_.insert(address->host());
}

std::shared_ptr<DatagramTransport> MemoryReactor::listen_udp(
    weft::Port port, std::shared_ptr<DatagramProtocol> protocol, const DatagramOptions& options) {
  turn().check_thread();
  return datagrams_.listen(port, std::move(protocol), options);
}

// ---- descriptors

Watch MemoryReactor::watch(Descriptor descriptor, Interest interest, Callback callback,
                           CallPlace where) {
  turn().check_thread();
  if (!callback) throw InvalidArgument("A descriptor was watched without a callback; pass one.");
  auto& known = watches_[{descriptor, interest}];
  const auto before = known.lock();
  if (before != nullptr && before->active()) {
    throw AlreadyWatchedError("Descriptor " + std::to_string(descriptor) +
                              " is watched for this already; cancel that watch first.");
  }
  const auto watcher = std::make_shared<MemoryWatcher>(std::move(callback), where);
  known = watcher;
  return Watch(watcher);
}

bool MemoryReactor::make_ready(Descriptor descriptor, Interest interest) {
  const auto found = watches_.find({descriptor, interest});
  const auto watcher = found != watches_.end() ? found->second.lock() : nullptr;
  if (watcher == nullptr || !watcher->active()) return false;
  watcher->ready(turn());
  settle();
  return true;
}

// ---- the loop

bool MemoryReactor::deliver() {
  bool moved = datagrams_.move() || !backlog_.empty();
  for (const auto& [port, end] : std::exchange(backlog_, {}))
    port->accept(end);
  // Callbacks may add to the list.
  for (std::size_t i = 0; i < ends_.size(); ++i) {
    const auto end = ends_[i].lock();
    if (end != nullptr) moved |= end->deliver(delivery_.next_size());
  }
  std::erase_if(ends_, [](const auto& end) { return end.expired(); });
  return moved;
}

void MemoryReactor::wait(std::optional<TimePoint> until) {
  moved_ = deliver();
  if (!moved_ && (!until || *until > now())) sleep(until);
}

void MemoryReactor::sleep(std::optional<TimePoint> until) {
  std::unique_lock lock(woken_mutex_);
  const auto woken = [this] { return std::exchange(woken_, false); };
  if (time_ == Time::real) {
    until ? woken_changed_.wait_until(lock, *until, woken)
          : (woken_changed_.wait(lock, woken), true);
  } else if (woken()) {
    return;
  } else if (until) {
    now_ = *until;
  } else if (!woken_changed_.wait_for(lock, patience, woken)) {
    throw std::logic_error("Nothing is left to happen in this reactor, and no thread has called.");
  }
}

void MemoryReactor::wake() noexcept {
  const std::lock_guard lock(woken_mutex_);
  woken_ = true;
  woken_changed_.notify_all();
}

void MemoryReactor::settle() {
  if (turn().inside()) return;
  for (int round = 0; round < max_rounds; ++round) {
    run_once(Duration::zero());
    const auto due = next_due();
    if (!moved_ && !turn().has_waiting() && (!due || *due > now())) return;
  }
  throw std::logic_error("The reactor does not come to rest: something goes on for ever.");
}

void MemoryReactor::advance(Duration by) {
  if (time_ == Time::real || by < Duration::zero()) {
    throw InvalidArgument("Time is advanced by hand, forwards, in a reactor made for that.");
  }
  const auto end = now_ + by;
  settle();
  for (auto due = next_due(); due && *due <= end; due = next_due()) {
    now_ = std::max(now_, *due);
    settle();
  }
  now_ = end;
  settle();
}

}  // namespace weft::testing
