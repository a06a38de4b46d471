// Strings of any bytes, each sent with its length in front: in binary, or as a netstring.
#pragma once

#include "frame_receiver.hpp"

#include <cstddef>
#include <cstdint>

namespace weft {

/// Receives strings and sends them; the subclasses below say how they look on the wire.
class StringReceiver : public FrameReceiver {
 public:
  static constexpr std::size_t default_max_string_bytes = 64 * 1024;

  /// One string; it is valid during the call.
  virtual void string_received(BytesView string) = 0;
  /// The peer announces a string of `size` bytes or more, which is too long. By default it throws
  /// FrameTooLong, which aborts the connection; when an override returns, the connection is closed
  /// in order.
  virtual void string_length_exceeded(std::size_t size);

  [[nodiscard]] std::size_t max_string_bytes() const noexcept { return max_string_bytes_; }

 protected:
  explicit StringReceiver(std::size_t max_string_bytes) : max_string_bytes_(max_string_bytes) {}
  /// Tells of a string of `size` bytes, and closes.
  void refuse(std::size_t size);

 private:
  std::size_t max_string_bytes_;
};

/// Each string comes behind its length, an unsigned integer in network byte order.
class IntStringReceiver : public StringReceiver {
 public:
  /// Errors: FrameTooLong when the prefix cannot say its length; nothing is sent then.
  void send_string(BytesView string);

 protected:
  IntStringReceiver(std::size_t prefix_bytes, std::size_t max_string_bytes);
  std::size_t take_frame(BytesView data) final;

 private:
  std::size_t prefix_bytes_;
};

/// Lengths of one byte: strings of up to 255 bytes.
class Int8StringReceiver : public IntStringReceiver {
 public:
  explicit Int8StringReceiver(std::size_t max_string_bytes = UINT8_MAX)
      : IntStringReceiver(1, max_string_bytes) {}
};

/// Lengths of two bytes.
class Int16StringReceiver : public IntStringReceiver {
 public:
  explicit Int16StringReceiver(std::size_t max_string_bytes = UINT16_MAX)
      : IntStringReceiver(2, max_string_bytes) {}
};

/// Lengths of four bytes.
class Int32StringReceiver : public IntStringReceiver {
 public:
  explicit Int32StringReceiver(std::size_t max_string_bytes = default_max_string_bytes)
      : IntStringReceiver(4, max_string_bytes) {}
};

/// Netstrings: the length in decimal digits, a colon, the bytes, a comma. A length with leading
/// zeros, or anything else that is no netstring, throws ProtocolError, which aborts the connection.
/// Source: D. J. Bernstein, Netstrings, 1997
class NetstringReceiver : public StringReceiver {
 public:
  explicit NetstringReceiver(std::size_t max_string_bytes = default_max_string_bytes)
      : StringReceiver(max_string_bytes) {}
  void send_string(BytesView string);

 protected:
  std::size_t take_frame(BytesView data) final;
};

}  // namespace weft
