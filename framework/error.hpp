// Everything that can go wrong, as one tree of types under weft::Error.
#pragma once

#include "address.hpp"

#include <stdexcept>
#include <string>
#include <system_error>

namespace weft {

/// What all errors of weft derive from. The message is a whole sentence that says what happened,
/// with which peer, and what to do.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, Address address = {}, std::error_code code = {})
      : std::runtime_error(message), address_(std::move(address)), code_(code) {}

  /// The address concerned; none where there is none.
  [[nodiscard]] const Address& address() const noexcept { return address_; }
  /// The operating system's code; zero where there was none.
  [[nodiscard]] const std::error_code& code() const noexcept { return code_; }

 private:
  Address address_;
  std::error_code code_;
};

// ---- how connections end

/// The connection was closed in order, by the peer or by us.
class ConnectionDone : public Error {
 public:
  using Error::Error;
  explicit ConnectionDone(const Address& peer);
};
/// The connection broke.
class ConnectionLost : public Error {
 public:
  using Error::Error;
};
/// The peer reset it.
class ConnectionReset : public ConnectionLost {
 public:
  using ConnectionLost::ConnectionLost;
};
/// We aborted it.
class ConnectionAborted : public ConnectionLost {
 public:
  using ConnectionLost::ConnectionLost;
};
/// What was written did not go out within the linger time.
class LingerTimeout : public ConnectionAborted {
 public:
  using ConnectionAborted::ConnectionAborted;
};
/// TLS ended without the peer's goodbye (close_notify): what came may be cut short.
class TlsTruncated : public ConnectionLost {
 public:
  using ConnectionLost::ConnectionLost;
};
/// Nothing came or went for as long as the application allows.
class IdleTimeout : public ConnectionAborted {
 public:
  using ConnectionAborted::ConnectionAborted;
};
/// A protocol was used before it had a transport.
class NotConnectedError : public Error {
 public:
  using Error::Error;
};

// ---- connecting and listening

class ConnectError : public Error {
 public:
  using Error::Error;
};
/// Nobody listens there.
class ConnectionRefused : public ConnectError {
 public:
  using ConnectError::ConnectError;
};
/// No answer within the time given.
class ConnectTimeout : public ConnectError {
 public:
  using ConnectError::ConnectError;
};
/// The network or the host cannot be reached.
class NoRoute : public ConnectError {
 public:
  using ConnectError::ConnectError;
};
/// The local address asked for cannot be used.
class BindError : public ConnectError {
 public:
  using ConnectError::ConnectError;
};
/// The name has no address.
class ResolveError : public ConnectError {
 public:
  using ConnectError::ConnectError;
};
/// No server knows the name, or it has no record of the kind that was asked for.
class NameNotFound : public ResolveError {
 public:
  using ResolveError::ResolveError;
};
/// No server answered within the time given.
class ResolveTimeout : public ResolveError {
 public:
  using ResolveError::ResolveError;
};
/// The factory gave no protocol for the connection.
class NoProtocol : public ConnectError {
 public:
  using ConnectError::ConnectError;
};
/// The attempt was cancelled.
class ConnectingCancelled : public ConnectError {
 public:
  using ConnectError::ConnectError;
};
/// The port cannot be listened on.
class ListenError : public Error {
 public:
  using Error::Error;
};
/// Somebody listens there already.
class AddressInUse : public ListenError {
 public:
  using ListenError::ListenError;
};

// ---- TLS

/// There is no agreement with the peer, or what it sent is no TLS.
class TlsError : public Error {
 public:
  using Error::Error;
};
/// A certificate is not good enough, or cannot be used: the message names it and the reason.
class CertificateError : public TlsError {
 public:
  using TlsError::TlsError;
};
/// The handshake was not done within the time given.
class HandshakeTimeout : public TlsError {
 public:
  using TlsError::TlsError;
};

// ---- datagrams and processes

/// A datagram is longer than the carrier can take at once.
class MessageTooLong : public Error {
 public:
  using Error::Error;
};
/// The program could not be run.
class SpawnError : public Error {
 public:
  using Error::Error;
};

// ---- results

/// The operation was cancelled.
class CancelledError : public Error {
 public:
  using Error::Error;
  CancelledError();
};
/// It took longer than it was given.
class TimeoutError : public Error {
 public:
  using Error::Error;
};
/// A promise was fired twice, or a call that was made already was changed.
class AlreadyCalledError : public Error {
 public:
  using Error::Error;
};
/// A call that was cancelled was changed.
class AlreadyCancelledError : public Error {
 public:
  using Error::Error;
};
/// A promise was dropped without being fired, so that its result cannot come.
class BrokenPromiseError : public Error {
 public:
  using Error::Error;
};
/// More was put into a queue than it may hold.
class QueueOverflow : public Error {
 public:
  using Error::Error;
};
/// More waited for a queue than may wait.
class QueueUnderflow : public Error {
 public:
  using Error::Error;
};

/// A queue was closed, and what was in it has been taken.
class QueueClosed : public Error {
 public:
  using Error::Error;
};

// ---- misuse

/// An argument makes no sense.
class InvalidArgument : public Error {
 public:
  using Error::Error;
};
/// No reactor runs this code.
class NoReactorError : public Error {
 public:
  using Error::Error;
};
/// It runs already.
class AlreadyRunningError : public Error {
 public:
  using Error::Error;
};
/// It does not run.
class NotRunningError : public Error {
 public:
  using Error::Error;
};
/// The descriptor is watched for the same interest already.
class AlreadyWatchedError : public Error {
 public:
  using Error::Error;
};
/// A thing that belongs to one thread was used from another.
class WrongThreadError : public Error {
 public:
  using Error::Error;
};
/// The transport has a producer already.
class ProducerAlreadyRegisteredError : public Error {
 public:
  using Error::Error;
};
/// This platform has no such thing.
class NotSupportedOnThisPlatform : public Error {
 public:
  using Error::Error;
};

// ---- what peers send

/// A line, frame or field is longer than its limit.
class FrameTooLong : public Error {
 public:
  using Error::Error;
};
/// What the peer sent is not of the protocol.
class ProtocolError : public Error {
 public:
  using Error::Error;
};

}  // namespace weft
