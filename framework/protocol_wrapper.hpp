// A protocol around another one, and a factory around another one: what policies are made of.
#pragma once

#include "factory.hpp"
#include "protocol.hpp"
#include "transport.hpp"
#include "transport_upgrade.hpp"

#include <memory>
#include <span>

namespace weft {

/// A protocol to its transport, and a transport to the protocol that it wraps. It passes everything
/// on, both ways; derive from it and override what shall be otherwise. The wrapped protocol lives
/// by the same contracts as without it; one that lends buffers is given its bytes through them.
class ProtocolWrapper : public Protocol, public Transport, public TransportUpgrade {
 public:
  /// Errors: InvalidArgument for none.
  explicit ProtocolWrapper(std::shared_ptr<Protocol> wrapped);
  ~ProtocolWrapper() override;

  void connection_made() override;
  void data_received(BytesView data) override;
  void eof_received() override;
  void connection_lost(const Failure& reason) override;
  void pause_writing() override;
  void resume_writing() override;
  [[nodiscard]] DescriptorReceiver* descriptor_receiver() noexcept override;

  void write(BytesView data) override;
  void write(Bytes data) override;
  void write_sequence(std::span<const BytesView> pieces) override;
  void lose_connection() override;
  void lose_connection(Duration linger) override;
  void abort_connection() override;
  void abort_connection(Failure reason) override;
  void lose_write_connection() override;
  void pause_producing() override;
  void resume_producing() override;
  void register_producer(std::shared_ptr<Producer> producer, Streaming streaming) override;
  void unregister_producer() override;
  void set_write_buffer_limits(std::size_t high, std::size_t low) override;
  [[nodiscard]] std::size_t write_buffer_size() const override;
  [[nodiscard]] Address host() const override;
  [[nodiscard]] Address peer() const override;
  [[nodiscard]] bool connected() const override;
  [[nodiscard]] bool closing() const override;
  [[nodiscard]] Clock& clock() const override;
  [[nodiscard]] TcpControl* tcp() noexcept override;
  [[nodiscard]] const TlsInfo* tls() const noexcept override;
  [[nodiscard]] UnixControl* unix_socket() noexcept override;
  [[nodiscard]] const ProxyHeader* proxied() const noexcept override;
  [[nodiscard]] detail::HeldContext* context() noexcept override;
  [[nodiscard]] Transport* carried() noexcept override;
  [[nodiscard]] std::optional<StreamUse> give_up_use() override;
  std::shared_ptr<Protocol> exchange_protocol(std::shared_ptr<Protocol> protocol) override;

  /// Null once `connection_lost` has returned.
  [[nodiscard]] const std::shared_ptr<Protocol>& wrapped() const noexcept { return wrapped_; }

 protected:
  /// For one that is given its protocol later, by `wrap`; it overrides all that may come before.
  ProtocolWrapper() noexcept;
  /// Wraps `protocol`, and gives it the connection that is there.
  void wrap(std::shared_ptr<Protocol> protocol);

 private:
  std::shared_ptr<Protocol> wrapped_;
};

/// Has another factory build the protocols, and wraps each. What a connect through it gives is the
/// wrapper.
class WrappingFactory : public Factory {
 public:
  /// Errors: InvalidArgument for none.
  explicit WrappingFactory(std::shared_ptr<Factory> wrapped);

  std::shared_ptr<Protocol> build_protocol(const Address& peer) override;
  void start_factory() override;
  void stop_factory() override;

 protected:
  [[nodiscard]] virtual std::shared_ptr<Protocol> wrap(std::shared_ptr<Protocol> protocol,
                                                       const Address& peer) = 0;
  [[nodiscard]] Factory& wrapped_factory() const noexcept { return *wrapped_; }

 private:
  std::shared_ptr<Factory> wrapped_;
};

}  // namespace weft
