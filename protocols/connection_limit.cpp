#include "connection_limit.hpp"

#include "../framework/logging.hpp"

#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace weft {

class ConnectionLimitFactory::Counts {
 public:
  [[nodiscard]] std::size_t in_all() const noexcept { return in_all_; }
  [[nodiscard]] std::size_t from(const std::string& host) const {
    const auto found = by_host_.find(host);
    return found != by_host_.end() ? found->second : 0;
  }
  void add(const std::string& host) {
    ++by_host_[host];
    ++in_all_;
  }
  void remove(const std::string& host) noexcept {
    --in_all_;
    const auto found = by_host_.find(host);
    if (--found->second == 0) by_host_.erase(found);
  }

 private:
  std::unordered_map<std::string, std::size_t> by_host_;
  std::size_t in_all_ = 0;
};

// One connection's place, given back when it goes.
class ConnectionLimitFactory::Place {
 public:
  Place(std::shared_ptr<Counts> counts, std::string host)
      : counts_(std::move(counts)), host_(std::move(host)) {
    counts_->add(host_);
  }
  ~Place() { counts_->remove(host_); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  std::shared_ptr<Counts> counts_;
  std::string host_;
};

class ConnectionLimitFactory::Counted final : public ProtocolWrapper {
 public:
  Counted(std::shared_ptr<Protocol> wrapped, std::shared_ptr<Counts> counts, std::string host)
      : ProtocolWrapper(std::move(wrapped)) {
    place_.emplace(std::move(counts), std::move(host));
  }
  void connection_lost(const Failure& reason) override {
    place_.reset();
    ProtocolWrapper::connection_lost(reason);
  }

 private:
  std::optional<Place> place_;
};

ConnectionLimitFactory::ConnectionLimitFactory(std::shared_ptr<Factory> wrapped,
                                               ConnectionLimits limits)
    : WrappingFactory(std::move(wrapped)), limits_(limits), counts_(std::make_shared<Counts>()) {}

ConnectionLimitFactory::~ConnectionLimitFactory() = default;

std::size_t ConnectionLimitFactory::connections() const noexcept {
  return counts_->in_all();
}

std::shared_ptr<Protocol> ConnectionLimitFactory::build_protocol(const Address& peer) {
  const bool full =
      (limits_.max_connections > 0 && counts_->in_all() >= limits_.max_connections) ||
      (limits_.max_per_peer > 0 && counts_->from(peer.host()) >= limits_.max_per_peer);
  if (full) {
    refuse(peer);
    return nullptr;
  }
  refusing_ = false;
  return WrappingFactory::build_protocol(peer);
}

std::shared_ptr<Protocol> ConnectionLimitFactory::wrap(std::shared_ptr<Protocol> protocol,
                                                       const Address& peer) {
  return std::make_shared<Counted>(std::move(protocol), counts_, peer.host());
}

void ConnectionLimitFactory::refuse(const Address& peer) {
  ++refused_;
  if (std::exchange(refusing_, true)) return;
  log(LogLevel::warning, "connections",
      "The limit of connections is reached: " + peer.text() + " is refused, and so are others (" +
          std::to_string(counts_->in_all()) + " are open)");
}

}  // namespace weft
