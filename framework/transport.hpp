// What a protocol talks through: one connection, whatever carries it.
#pragma once

#include "address.hpp"
#include "bytes.hpp"
#include "clock.hpp"
#include "failure.hpp"
#include "producer.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace weft {

namespace detail {
class HeldContext;
}

struct ProxyHeader;
struct TlsInfo;

/// What TCP can do and other carriers cannot.
class TcpControl {
 public:
  /// True sends small writes at once (the default); false lets the system collect them (Nagle's
  /// algorithm).
  virtual void set_no_delay(bool on) = 0;
  [[nodiscard]] virtual bool no_delay() const = 0;
  /// True has the system probe a silent peer.
  virtual void set_keep_alive(bool on) = 0;
  [[nodiscard]] virtual bool keep_alive() const = 0;

 protected:
  ~TcpControl() = default;
};

/// Who is at the other end of a UNIX socket, by the numbers of this system.
struct PeerCredentials {
  std::int64_t process = 0;
  std::int64_t user = 0;
  std::int64_t group = 0;
};

/// What UNIX sockets can do and other carriers cannot.
class UnixControl {
 public:
  /// Who connected, or listened, as the system knew it then; nothing where the connection is gone
  /// or the system does not tell.
  [[nodiscard]] virtual std::optional<PeerCredentials> peer_credentials() const = 0;
  /// Passes a copy of `descriptor` to the peer, before the next bytes that are written; ours stays
  /// the caller's. The peer's protocol is told by `descriptor_received` if it is a
  /// DescriptorReceiver, and closes it otherwise. Errors: InvalidArgument when it is none.
  virtual void send_descriptor(int descriptor) = 0;

 protected:
  ~UnixControl() = default;
};

/// One end of a byte stream. Nothing here blocks, and nothing throws because of what became of the
/// connection: that is told by `Protocol::connection_lost`. A transport whose connection is gone
/// ignores what it is asked. Thread: that of its clock's loop; debug builds throw WrongThreadError
/// from any other.
class Transport {
 public:
  virtual ~Transport();

  /// Sends `data` after all that was written before. What one callback writes goes out together
  /// when it returns, but for 32 KiB and more, which go at once when nothing waits before them.
  /// Dropped after `lose_connection`, unless a registered producer is finishing,
  /// and after `lose_write_connection`.
  virtual void write(BytesView data) = 0;
  /// The same, keeping a reference instead of a copy.
  virtual void write(Bytes data) = 0;
  /// The same as writing each piece in turn.
  virtual void write_sequence(std::span<const BytesView> pieces) = 0;

  /// Closes once everything written has gone out and a registered producer has been unregistered.
  /// The protocol receives no more data. When that takes longer than the linger time (30 s unless
  /// set), the connection is aborted with LingerTimeout.
  virtual void lose_connection() = 0;
  /// The same with a linger time of its own.
  virtual void lose_connection(Duration linger) = 0;
  /// Closes now; what is unsent is dropped, and the peer sees a reset where the carrier has such a
  /// thing.
  virtual void abort_connection() = 0;
  /// The same with a reason of one's own for our `connection_lost`, in place of ConnectionAborted.
  virtual void abort_connection(Failure reason) = 0;
  /// Tells the peer that no more will come, once everything written has gone out and a registered
  /// producer has been unregistered; receiving goes on.
  virtual void lose_write_connection() = 0;

  /// Holds back data until `resume_producing`. Counted: two who pause must both resume.
  virtual void pause_producing() = 0;
  virtual void resume_producing() = 0;

  /// Has `producer` fill this transport at its pace. When the connection is already closing, the
  /// producer is stopped at once. Errors: ProducerAlreadyRegisteredError.
  virtual void register_producer(std::shared_ptr<Producer> producer, Streaming streaming) = 0;
  /// The producer has written its last; nothing happens when none is registered.
  virtual void unregister_producer() = 0;

  /// Sets the marks at which `pause_writing` and `resume_writing` are called (64 KiB and 16 KiB
  /// unless set). Errors: InvalidArgument when `low` is above `high`.
  virtual void set_write_buffer_limits(std::size_t high, std::size_t low) = 0;
  /// What is written and not yet sent.
  [[nodiscard]] virtual std::size_t write_buffer_size() const = 0;

  /// Our end.
  [[nodiscard]] virtual Address host() const = 0;
  /// The other end; both are remembered after the connection is gone.
  [[nodiscard]] virtual Address peer() const = 0;
  /// True until the connection is closed or broken.
  [[nodiscard]] virtual bool connected() const = 0;
  /// True once it was asked to close, or is closed or broken: the protocol receives no more data.
  [[nodiscard]] virtual bool closing() const = 0;
  /// The clock of the loop that this transport belongs to.
  [[nodiscard]] virtual Clock& clock() const = 0;

  /// What only TCP can do, or null.
  [[nodiscard]] virtual TcpControl* tcp() noexcept { return nullptr; }
  /// What TLS has settled with the peer, once its handshake is done; null before, and without TLS.
  [[nodiscard]] virtual const TlsInfo* tls() const noexcept { return nullptr; }
  /// What a proxy in front of us told of its peer by the PROXY protocol; null where there is none.
  [[nodiscard]] virtual const ProxyHeader* proxied() const noexcept { return nullptr; }
  /// What only UNIX sockets can do, or null.
  [[nodiscard]] virtual UnixControl* unix_socket() noexcept { return nullptr; }

  /// For those who put one transport over another: the connection's context, which all its
  /// callbacks run in; null where there is none.
  [[nodiscard]] virtual detail::HeldContext* context() noexcept { return nullptr; }
};

}  // namespace weft
