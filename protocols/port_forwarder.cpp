#include "port_forwarder.hpp"

#include "../framework/error.hpp"
#include "../framework/logging.hpp"
#include "../framework/transport.hpp"

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
  Incoming(Reactor& reactor, std::string host, Port port, ConnectOptions options)
      : reactor_(reactor), host_(std::move(host)), port_(port), options_(std::move(options)) {}

  void connection_made() override {
    // Nothing is read before there is somewhere to write it.
    transport().pause_producing();
    const auto self = std::static_pointer_cast<Incoming>(shared_from_this());
    auto connecting =
        reactor_.connect_tcp(host_, port_, factory_for<Side>(), options_)
            .add_callbacks(
                [self](const std::shared_ptr<Protocol>& target) { self->connected(target); },
                [self](const Failure& failure) { self->failed(failure); });
    connecting_ = connecting.canceller();
  }
  void connection_lost(const Failure& reason) override {
    lost_ = true;
    connecting_.cancel();
    Side::connection_lost(reason);
  }

 private:
  void connected(const std::shared_ptr<Protocol>& target) {
    auto side = std::static_pointer_cast<Side>(target);
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

  Reactor& reactor_;
  std::string host_;
  Port port_;
  ConnectOptions options_;
  Canceller connecting_;
  bool lost_ = false;
};

}  // namespace

PortForwarderFactory::PortForwarderFactory(Reactor& reactor, std::string host, Port port,
                                           ConnectOptions options)
    : reactor_(reactor), host_(std::move(host)), port_(port), options_(std::move(options)) {}

std::shared_ptr<Protocol> PortForwarderFactory::build_protocol(const Address&) {
  return std::make_shared<Incoming>(reactor_, host_, port_, options_);
}

}  // namespace weft
