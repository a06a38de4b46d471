#include "idle_timeout.hpp"

#include "../framework/error.hpp"
#include "../framework/protocol_wrapper.hpp"

#include <string>
#include <utility>

namespace weft {

namespace {

class Watched final : public ProtocolWrapper {
 public:
  Watched(std::shared_ptr<Protocol> wrapped, Duration limit)
      : ProtocolWrapper(std::move(wrapped)), limit_(limit) {}

  void connection_made() override {
    const auto weak = weak_from_this();
    idle_ = clock().call_later(limit_, [weak] {
      if (const auto self = std::static_pointer_cast<Watched>(weak.lock())) self->give_up();
    });
    ProtocolWrapper::connection_made();
  }
  void data_received(BytesView data) override {
    touch();
    ProtocolWrapper::data_received(data);
  }
  void connection_lost(const Failure& reason) override {
    idle_.cancel_if_active();
    ProtocolWrapper::connection_lost(reason);
  }
  void write(BytesView data) override {
    touch();
    ProtocolWrapper::write(data);
  }
  void write(Bytes data) override {
    touch();
    ProtocolWrapper::write(std::move(data));
  }
  void write_sequence(std::span<const BytesView> pieces) override {
    touch();
    ProtocolWrapper::write_sequence(pieces);
  }

 private:
  void touch() {
    if (idle_.active()) idle_.reset(limit_);
  }
  void give_up() {
    const auto seconds = std::chrono::duration<double>(limit_).count();
    abort_connection(Failure(IdleTimeout("The connection with " + peer().text() +
                                             " was aborted: nothing came or went for " +
                                             std::to_string(seconds) + " s.",
                                         peer())));
  }

  Duration limit_;
  DelayedCall idle_;
};

class IdleTimeoutFactory final : public WrappingFactory {
 public:
  IdleTimeoutFactory(std::shared_ptr<Factory> wrapped, Duration limit)
      : WrappingFactory(std::move(wrapped)), limit_(limit) {}

 private:
  std::shared_ptr<Protocol> wrap(std::shared_ptr<Protocol> protocol, const Address&) override {
    return std::make_shared<Watched>(std::move(protocol), limit_);
  }

  Duration limit_;
};

}  // namespace

std::shared_ptr<Factory> idle_timeout(std::shared_ptr<Factory> factory, Duration limit) {
  if (limit <= Duration::zero()) {
    throw InvalidArgument("An idle timeout of nothing would end every connection; give a time.");
  }
  return std::make_shared<IdleTimeoutFactory>(std::move(factory), limit);
}

}  // namespace weft
