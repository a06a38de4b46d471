#include "protocol_wrapper.hpp"

#include "error.hpp"
#include "turn.hpp"

#include <utility>

namespace weft {

ProtocolWrapper::ProtocolWrapper(std::shared_ptr<Protocol> wrapped) : wrapped_(std::move(wrapped)) {
  if (wrapped_ == nullptr) throw InvalidArgument("A wrapper was given no protocol; pass one.");
}

ProtocolWrapper::ProtocolWrapper() noexcept = default;
ProtocolWrapper::~ProtocolWrapper() = default;

void ProtocolWrapper::wrap(std::shared_ptr<Protocol> protocol) {
  wrapped_ = std::move(protocol);
  ProtocolWrapper::connection_made();
}

// ---- what the transport tells

void ProtocolWrapper::connection_made() {
  wrapped_->make_connection(std::shared_ptr<Transport>(shared_from_this(), this));
}

void ProtocolWrapper::data_received(BytesView data) {
  wrapped_->data_received(data);
}

void ProtocolWrapper::eof_received() {
  wrapped_->eof_received();
}

void ProtocolWrapper::connection_lost(const Failure& reason) {
  const auto wrapped = std::exchange(wrapped_, nullptr);
  // The two hold each other, and the wrapped one may still run when this returns.
  clock().turn().release_later(wrapped);
  wrapped->connection_lost(reason);
}

void ProtocolWrapper::pause_writing() {
  wrapped_->pause_writing();
}

void ProtocolWrapper::resume_writing() {
  wrapped_->resume_writing();
}

// ---- what the wrapped protocol asks for

void ProtocolWrapper::write(BytesView data) {
  transport().write(data);
}

void ProtocolWrapper::write(Bytes data) {
  transport().write(std::move(data));
}

void ProtocolWrapper::write_sequence(std::span<const BytesView> pieces) {
  transport().write_sequence(pieces);
}

void ProtocolWrapper::lose_connection() {
  transport().lose_connection();
}

void ProtocolWrapper::lose_connection(Duration linger) {
  transport().lose_connection(linger);
}

void ProtocolWrapper::abort_connection() {
  transport().abort_connection();
}

void ProtocolWrapper::abort_connection(Failure reason) {
  transport().abort_connection(std::move(reason));
}

void ProtocolWrapper::lose_write_connection() {
  transport().lose_write_connection();
}

void ProtocolWrapper::pause_producing() {
  transport().pause_producing();
}

void ProtocolWrapper::resume_producing() {
  transport().resume_producing();
}

void ProtocolWrapper::register_producer(std::shared_ptr<Producer> producer, Streaming streaming) {
  transport().register_producer(std::move(producer), streaming);
}

void ProtocolWrapper::unregister_producer() {
  transport().unregister_producer();
}

void ProtocolWrapper::set_write_buffer_limits(std::size_t high, std::size_t low) {
  transport().set_write_buffer_limits(high, low);
}

std::size_t ProtocolWrapper::write_buffer_size() const {
  return transport().write_buffer_size();
}

Address ProtocolWrapper::host() const {
  return transport().host();
}

Address ProtocolWrapper::peer() const {
  return transport().peer();
}

bool ProtocolWrapper::connected() const {
  return transport().connected();
}

bool ProtocolWrapper::closing() const {
  return transport().closing();
}

Clock& ProtocolWrapper::clock() const {
  return transport().clock();
}

TcpControl* ProtocolWrapper::tcp() noexcept {
  return transport().tcp();
}

const TlsInfo* ProtocolWrapper::tls() const noexcept {
  return transport().tls();
}

detail::HeldContext* ProtocolWrapper::context() noexcept {
  return transport().context();
}

UnixControl* ProtocolWrapper::unix_socket() noexcept {
  return transport().unix_socket();
}

const ProxyHeader* ProtocolWrapper::proxied() const noexcept {
  return transport().proxied();
}

Transport* ProtocolWrapper::carried() noexcept {
  return wrapped_ != nullptr ? wrapped_->carried() : nullptr;
}

std::optional<StreamUse> ProtocolWrapper::give_up_use() {
  auto* const below = dynamic_cast<TransportUpgrade*>(&transport());
  return below != nullptr && wrapped_ != nullptr ? below->give_up_use() : std::nullopt;
}

std::shared_ptr<Protocol> ProtocolWrapper::exchange_protocol(std::shared_ptr<Protocol> protocol) {
  auto before = std::exchange(wrapped_, std::move(protocol));
  wrapped_->change_transport(std::shared_ptr<Transport>(shared_from_this(), this));
  return before;
}

DescriptorReceiver* ProtocolWrapper::descriptor_receiver() noexcept {
  return wrapped_ != nullptr ? wrapped_->descriptor_receiver() : nullptr;
}

// ---- the factory

WrappingFactory::WrappingFactory(std::shared_ptr<Factory> wrapped) : wrapped_(std::move(wrapped)) {
  if (wrapped_ == nullptr) throw InvalidArgument("A policy was given no factory; pass one.");
}

std::shared_ptr<Protocol> WrappingFactory::build_protocol(const Address& peer) {
  auto protocol = wrapped_->build_protocol(peer);
  return protocol != nullptr ? wrap(std::move(protocol), peer) : nullptr;
}

void WrappingFactory::start_factory() {
  wrapped_->add_user();
}

void WrappingFactory::stop_factory() {
  wrapped_->remove_user();
}

}  // namespace weft
