// A byte stream over a descriptor, or over one for each direction, on any reactor that can watch.
#pragma once

#include "../../framework/reactor.hpp"
#include "../../framework/stream_transport.hpp"
#include "descriptor_passing.hpp"
#include "owned_descriptor.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>

namespace weft::detail {

/// A descriptor that does not block while it is used, and is as it was when it is closed.
class UsedDescriptor {
 public:
  UsedDescriptor() noexcept = default;
  /// Errors: InvalidArgument when it is none, or leads to what cannot be used.
  explicit UsedDescriptor(OwnedDescriptor descriptor);
  /// The same beside another, which lives longer and may lead to the same open file, as standard
  /// input and output do on a terminal: that one then restores it for both.
  UsedDescriptor(OwnedDescriptor descriptor, const UsedDescriptor& other);
  UsedDescriptor(UsedDescriptor&&) noexcept = default;
  UsedDescriptor& operator=(UsedDescriptor&&) noexcept = default;
  ~UsedDescriptor() { close(); }

  [[nodiscard]] int get() const noexcept { return descriptor_.get(); }
  [[nodiscard]] bool open() const noexcept { return descriptor_.open(); }
  [[nodiscard]] bool is_socket() const noexcept { return is_socket_; }
  void close() noexcept;

 private:
  OwnedDescriptor descriptor_;
  int flags_ = 0;
  bool is_socket_ = false;
  bool restores_ = true;
};

/// Sockets of the UNIX family, pipes, terminals, and whatever else can be watched.
class DescriptorTransport final : public StreamTransport, public UnixControl {
 public:
  /// One descriptor for both directions.
  DescriptorTransport(Reactor& reactor, UsedDescriptor both, Address host, Address peer);
  /// One to read from, and one to write to. Either may be missing: without `input` nothing comes
  /// but the news that nobody reads any more; without `output` the caller ends our direction before
  /// the protocol is told of the connection.
  DescriptorTransport(Reactor& reactor, UsedDescriptor input, UsedDescriptor output);
  ~DescriptorTransport() override;

  [[nodiscard]] Address host() const override { return host_; }
  [[nodiscard]] Address peer() const override { return peer_; }
  [[nodiscard]] UnixControl* unix_socket() noexcept override;
  [[nodiscard]] std::optional<PeerCredentials> peer_credentials() const override;
  void send_descriptor(int descriptor) override;

 private:
  SendResult try_send(std::span<const BytesView> pieces) noexcept override;
  void send_later(std::span<const BytesView> pieces) override;
  void reading_changed() override;
  void send_end() noexcept override;
  void close_in_order() noexcept override;
  void close_abruptly() noexcept override;
  void loop_gone() noexcept override { close_all(); }
  [[nodiscard]] Failure failure_from(std::error_code error) const override;

  [[nodiscard]] UsedDescriptor& out() noexcept { return output_.open() ? output_ : input_; }
  // What tells of the peer's end.
  [[nodiscard]] UsedDescriptor& in() noexcept { return input_.open() ? input_ : output_; }
  [[nodiscard]] bool carries_descriptors() const noexcept;
  [[nodiscard]] ssize_t receive(std::span<char> room, IncomingDescriptors& passed) noexcept;
  void readable();
  void deliver_descriptors(IncomingDescriptors& passed);
  void warn_of_descriptors(const std::string& what);
  void read_ended(ssize_t result);
  [[nodiscard]] ssize_t send_now(std::span<iovec> pieces) noexcept;
  void writable();
  void output_may_be_broken();
  void end_both_directions() noexcept;
  void drop_unpassed() noexcept;
  [[nodiscard]] bool wait_for_peers_end() noexcept;
  void discard();
  void close_all() noexcept;

  Reactor& reactor_;
  UsedDescriptor input_;
  // Not open where `input_` serves both directions.
  UsedDescriptor output_;
  Watch reading_;
  Watch writing_;
  DelayedCall discard_call_;
  Address host_;
  Address peer_;
  // How many bytes have gone out: the places of descriptors are counted by them.
  std::uint64_t sent_bytes_ = 0;
  // None until one is passed.
  std::unique_ptr<OutgoingDescriptors> passing_;
  bool warned_ = false;
  bool send_waits_ = false;
  bool end_seen_ = false;
  bool closed_ = false;
};

}  // namespace weft::detail
