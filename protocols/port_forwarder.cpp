#include "port_forwarder.hpp"

#include "../framework/error.hpp"
#include "../framework/logging.hpp"

#include <utility>

namespace weft {

namespace {

// One side of a forwarded connection. Each holds the other until either is lost.
class Side : public Protocol {
 public:
  void join(std::shared_ptr<Side> other) { other_ = std::move(other); }
  [[nodiscard]] Transport& way() const { return transport(); }

  void data_received(BytesView data) override {
    if (other_ != nullptr) other_->way().write(data);
  }
  void eof_received() override {
    if (other_ != nullptr) other_->way().lose_write_connection();
  }
  // What cannot be written on must not be read.
  void pause_writing() override {
    if (other_ != nullptr) other_->way().pause_producing();
  }
  void resume_writing() override {
    if (other_ != nullptr) other_->way().resume_producing();
  }
  void connection_lost(const Failure& reason) override {
    const auto other = std::exchange(other_, nullptr);
    if (other == nullptr) return;
    other->other_ = nullptr;
    if (reason.check<ConnectionDone>() != nullptr) {
      other->way().lose_connection();
    } else {
      other->way().abort_connection();
    }
  }

 private:
  std::shared_ptr<Side> other_;
};

class Incoming final : public Side {
 public:
  explicit Incoming(ForwardTarget target) : target_(std::move(target)) {}

  void connection_made() override {
    // Nothing is read before there is somewhere to write it.
    transport().pause_producing();
    const auto self = std::static_pointer_cast<Incoming>(shared_from_this());
    // What the connect gives may be around it.
    const auto side = std::make_shared<Side>();
    auto connecting = target_(transport(), factory_from([side] { return side; }))
                          .add_callbacks([self, side](const auto&) { self->connected(side); },
                                         [self](const Failure& failure) { self->failed(failure); });
    connecting_ = connecting.canceller();
  }
  void connection_lost(const Failure& reason) override {
    lost_ = true;
    connecting_.cancel();
    Side::connection_lost(reason);
  }

 private:
  void connected(std::shared_ptr<Side> side) {
    if (lost_) {
      side->way().abort_connection();
      return;
    }
    side->join(std::static_pointer_cast<Side>(shared_from_this()));
    join(std::move(side));
    transport().resume_producing();
  }
  void failed(const Failure& failure) {
    if (lost_) return;
    log_failure("forwarder", "Forwarding for " + transport().peer().text() + " failed", failure);
    transport().abort_connection();
  }

  ForwardTarget target_;
  Canceller connecting_;
  bool lost_ = false;
};

}  // namespace

PortForwarderFactory::PortForwarderFactory(ForwardTarget target) : target_(std::move(target)) {}

PortForwarderFactory::PortForwarderFactory(Reactor& reactor, std::string host, Port port,
                                           ConnectOptions options)
    : PortForwarderFactory([&reactor, host = std::move(host), port, options = std::move(options)](
                               Transport&, std::shared_ptr<Factory> factory) {
        return reactor.connect_tcp(host, port, std::move(factory), options);
      }) {}

std::shared_ptr<Protocol> PortForwarderFactory::build_protocol(const Address&) {
  return std::make_shared<Incoming>(target_);
}

}  // namespace weft
