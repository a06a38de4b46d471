// What users write: an object that is told what happens on one connection.
#pragma once

#include "bytes.hpp"
#include "failure.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace weft {

class BufferedProtocol;
class DescriptorReceiver;
class Transport;

/// One connection's behaviour. In order: `connection_made`, any number of `data_received`, at most
/// one `eof_received`, exactly one `connection_lost`. `pause_writing` and `resume_writing`
/// alternate in between. Callbacks of one connection never nest. Lifetime: kept alive by its
/// connection until `connection_lost` has returned; keeps its transport alive. Errors: what a
/// callback throws aborts this connection, is logged with the peer's address, and is the reason of
/// its `connection_lost`.
class Protocol : public std::enable_shared_from_this<Protocol> {
 public:
  Protocol();
  virtual ~Protocol();
  Protocol(const Protocol&) = delete;
  Protocol& operator=(const Protocol&) = delete;

  /// The transport is there and may be written to.
  virtual void connection_made() {}
  /// The next bytes of the stream, cut anywhere, never none.
  virtual void data_received(BytesView data) = 0;
  /// The peer will send no more. By default the connection is lost once everything written has gone
  /// out; override it to go on writing.
  virtual void eof_received();
  /// The connection is over; nothing comes after this.
  virtual void connection_lost(const Failure& reason);
  /// What was written and not yet sent has passed the high-water mark.
  virtual void pause_writing() {}
  /// ... and has fallen to the low-water mark.
  virtual void resume_writing() {}

  /// Gives the protocol its transport and calls `connection_made`: what a transport or a test
  /// calls, once.
  void make_connection(std::shared_ptr<Transport> transport);
  /// Puts another transport in the place of the one so far, without `connection_made`: what
  /// start_tls calls. From now on, what was received before is not delivered any more, but waits
  /// for `take_undelivered`. A protocol that keeps input overrides both.
  virtual void change_transport(std::shared_ptr<Transport> transport);
  /// Gives up what was received and not delivered, outside of this protocol's callbacks.
  [[nodiscard]] virtual std::string take_undelivered();

  /// The transport that this protocol makes for another protocol out of its own, or null: whoever
  /// closes the connection from outside closes that one.
  [[nodiscard]] virtual Transport* carried() noexcept { return nullptr; }
  /// This protocol as one that lends its buffer, or null.
  [[nodiscard]] virtual BufferedProtocol* buffered() noexcept { return nullptr; }
  /// This protocol as one that takes descriptors, or null.
  [[nodiscard]] virtual DescriptorReceiver* descriptor_receiver() noexcept { return nullptr; }

 protected:
  /// Errors: NotConnectedError before `make_connection`.
  [[nodiscard]] Transport& transport() const {
    if (transport_ == nullptr) refuse_unconnected();
    return *transport_;
  }

 private:
  [[noreturn]] static void refuse_unconnected();

  std::shared_ptr<Transport> transport_;
};

/// A protocol that takes the descriptors that its peer passes over a UNIX socket: derive from this
/// too, and override `Protocol::descriptor_receiver`.
class DescriptorReceiver {
 public:
  /// The peer passed a descriptor, before the bytes that come next. It is the protocol's to close.
  virtual void descriptor_received(int descriptor) = 0;

 protected:
  ~DescriptorReceiver() = default;
};

/// A protocol that lends the transport the memory to read into, so that bulk data is not copied.
class BufferedProtocol : public Protocol {
 public:
  /// Where the next bytes go; at least one byte long. `size_hint` is how many may come.
  virtual std::span<std::byte> buffer(std::size_t size_hint) = 0;
  /// `size` bytes have been put at the start of the buffer last lent.
  virtual void buffer_updated(std::size_t size) = 0;

  /// Copies `data` through `buffer` and `buffer_updated`: how a test, or a transport that already
  /// holds the bytes, delivers them. Errors: InvalidArgument when `buffer` gives an empty one.
  void data_received(BytesView data) final;
  [[nodiscard]] BufferedProtocol* buffered() noexcept final { return this; }
};

}  // namespace weft
