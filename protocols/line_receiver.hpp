// Cuts a byte stream into lines: subclass it for a protocol whose messages are lines.
#pragma once

#include "../framework/error.hpp"
#include "../framework/protocol.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace weft {

/// A peer sent a line that is longer than its receiver allows.
class LineTooLong : public FrameTooLong {
 public:
  using FrameTooLong::FrameTooLong;
};

/// Lines end in LF or CRLF (RFC 5321, 2.3.8), or in a delimiter of one's own, and reach
/// `line_received` whole and in order, however the bytes were cut on the way. Nothing is delivered
/// after the connection was asked to close.
class LineReceiver : public Protocol {
 public:
  /// Enough for headers and commands; a peer that sends more in one line is not talking our
  /// protocol.
  static constexpr std::size_t default_max_line_bytes = 16 * 1024;

  /// `max_line_bytes` counts a line without its ending. An empty `delimiter` stands for LF or CRLF.
  explicit LineReceiver(std::size_t max_line_bytes = default_max_line_bytes,
                        std::string delimiter = "");

  /// One line without its ending; it is valid during the call.
  virtual void line_received(std::string_view line) = 0;
  /// Bytes as they come, while in raw mode.
  virtual void raw_data_received(BytesView data);
  /// A line is too long: `beginning` is what has come of it. By default it throws LineTooLong,
  /// which aborts the connection; when an override returns, the rest of the line is skipped.
  virtual void line_length_exceeded(BytesView beginning);

  /// Sends `line` and the delimiter, or CRLF.
  void send_line(std::string_view line);

  /// From now on, also for the rest of what was received, bytes go to `raw_data_received`, after
  /// the current callback.
  void set_raw_mode();
  /// Back to lines, which come after the current callback. `extra` is what `raw_data_received` was
  /// given too much; it comes before what is received next.
  void set_line_mode(BytesView extra = {});

  /// Holds back lines, those of the same chunk too, until `resume_producing`.
  void pause_producing();
  void resume_producing();

  void data_received(BytesView data) final;
  void change_transport(std::shared_ptr<Transport> transport) override;
  [[nodiscard]] std::string take_undelivered() override;

 private:
  // Why lines wait; bits, so that both are one question.
  enum Stop : unsigned char { paused = 1, giving_up = 2 };
  [[nodiscard]] bool delivering() const;
  std::size_t deliver_from(std::string_view data);
  std::size_t deliver_line(std::string_view data);
  [[nodiscard]] std::size_t find_end(std::string_view data) const noexcept;
  [[gnu::noinline]] std::size_t find_long_end(std::string_view data) const noexcept;
  std::size_t keep_beginning(std::string_view data);
  std::size_t refuse_line(std::string_view data);
  std::size_t skip(std::string_view data);
  void deliver_rest();
  void deliver_soon();
  void deliver_held();

  std::string delimiter_;
  std::string unfinished_;
  std::size_t max_line_bytes_;
  std::size_t end_length_;
  // The end of a line where that is one byte, which is found faster.
  char one_byte_;
  // How much of `unfinished_` holds no line's end.
  std::size_t searched_ = 0;
  bool raw_ = false;
  // What comes is the rest of a line that was too long.
  bool skipping_ = false;
  unsigned char stopped_ = 0;
  // Whether the transport is paused by us; longer than we are, until what we hold is delivered.
  bool holding_ = false;
  bool busy_ = false;
};

}  // namespace weft
