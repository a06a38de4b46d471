// A connection for sequential code: reads and writes that are awaited instead of callbacks.
#pragma once

#include "../framework/clock.hpp"
#include "../framework/coroutines/detail/task_memory.hpp"
#include "../framework/deferred.hpp"
#include "../framework/error.hpp"
#include "../framework/protocol.hpp"
#include "../framework/source_location.hpp"
#include "../framework/transport.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weft {

/// The peer ended its stream in the middle of what was read.
class IncompleteRead : public Error {
 public:
  IncompleteRead(const std::string& message, const Address& peer, std::string partial)
      : Error(message, peer), partial_(std::move(partial)) {}
  /// What had come of it; it is taken.
  [[nodiscard]] const std::string& partial() const noexcept { return partial_; }

 private:
  std::string partial_;
};
/// More came before the delimiter, or before the end, than the read allows. Nothing is taken.
class ReadTooLong : public FrameTooLong {
 public:
  using FrameTooLong::FrameTooLong;
};
/// A read began while another one waited: a stream has one reader.
class AlreadyReadingError : public Error {
 public:
  using Error::Error;
};

/// A protocol that is read and written in sequence, by a coroutine or by callbacks on what the
/// calls give. One reads; any number write. What came and was not read is kept, and when that is
/// more than `max_buffered` the peer is held back; a read that waits holds back nobody, since it
/// has a limit of its own. Cancelling a read loses no byte. Lifetime: as any protocol, kept by its
/// connection until that is lost; may be held longer. Errors: reads that find neither what they
/// need nor the peer's end fail with the reason of `connection_lost`.
class Stream : public Protocol {
 public:
  static constexpr std::size_t default_max_buffered = 64 * 1024;
  static constexpr std::size_t default_max_line_bytes = 16 * 1024;
  static constexpr std::size_t default_max_bytes = 1024 * 1024;
  static constexpr std::size_t unlimited = SIZE_MAX;

  explicit Stream(std::size_t max_buffered = default_max_buffered);
  ~Stream() override;

  // ---- reading: all throw AlreadyReadingError while another read waits

  /// The next bytes, at least one and at most `max`, as soon as there are any; nothing at the end.
  /// Errors: InvalidArgument for a `max` of zero.
  Deferred<std::optional<std::string>> read_some(std::size_t max = unlimited,
                                                 SourceLocation where = SourceLocation::current());
  /// A line without its ending, LF or CRLF; nothing at the end. Fails with LineTooLong, which takes
  /// nothing, or with IncompleteRead when the end comes in mid-line.
  Deferred<std::optional<std::string>> read_line(
      std::size_t max_line_bytes = default_max_line_bytes,
      SourceLocation where = SourceLocation::current());
  /// As many bytes as that. Fails with IncompleteRead.
  Deferred<std::string> read_exactly(std::size_t count,
                                     SourceLocation where = SourceLocation::current());
  /// What comes before `delimiter`, which is taken and left out. Fails with ReadTooLong or
  /// IncompleteRead. Errors: InvalidArgument for an empty delimiter.
  Deferred<std::string> read_until(std::string delimiter, std::size_t max_bytes = default_max_bytes,
                                   SourceLocation where = SourceLocation::current());
  /// All up to the end. Fails with ReadTooLong.
  Deferred<std::string> read_all(std::size_t max_bytes = default_max_bytes,
                                 SourceLocation where = SourceLocation::current());

  /// The peer has ended its direction, and everything before that was read.
  [[nodiscard]] bool at_eof() const noexcept { return ended_ && available() == 0; }
  /// How many bytes came and were not read.
  [[nodiscard]] std::size_t available() const noexcept { return buffer_.size() - taken_; }

  // ---- writing

  /// Writes, as `Transport::write` does, and is ready when more may be written: at once below the
  /// high-water mark, else when what is unsent has fallen to the low one. Cancelling it takes
  /// nothing back. Fails with the reason when the connection is lost before, or was, and with
  /// ConnectionDone when this side has closed, or closes before: what was written is on its way
  /// then, and `close` tells of it. What nobody waits for is written to `transport()`.
  Deferred<void> write(BytesView data, SourceLocation where = SourceLocation::current());
  Deferred<void> write(Bytes data, SourceLocation where = SourceLocation::current());
  /// The same for what was written to `transport()` before.
  Deferred<void> drain(SourceLocation where = SourceLocation::current());
  /// Errors: InvalidArgument when `low` is above `high`.
  void set_write_buffer_limits(std::size_t high, std::size_t low);
  /// Ends our direction once everything written has gone out; reading goes on.
  void lose_write_connection();

  // ---- the connection

  /// Closes once everything written has gone out, and is ready when the connection is over. Fails
  /// with the reason when that is no ConnectionDone: what was written may not have arrived. A
  /// connection that is gone already is no failure.
  Deferred<void> close(SourceLocation where = SourceLocation::current());
  /// Closes now; what is unsent is dropped.
  void abort();
  /// Begins TLS: `upgrade` is called with the transport, and is what the transports' `start_tls`
  /// is for. What came and was not read yet goes to it, so that plain text which somebody slipped
  /// in is a failed handshake. Ready when the handshake is done.
  template <class F>
  Deferred<void> start_tls(F&& upgrade) {
    return std::forward<F>(upgrade)(transport());
  }
  /// What the connection ended with, or null.
  [[nodiscard]] const Failure* loss() const noexcept { return loss_ ? &*loss_ : nullptr; }
  using Protocol::transport;

  void data_received(BytesView data) final;
  void eof_received() final;
  void connection_lost(const Failure& reason) override;
  void pause_writing() final;
  void resume_writing() final;
  void change_transport(std::shared_ptr<Transport> transport) override;
  [[nodiscard]] std::string take_undelivered() override;

 private:
  enum class Kind : std::uint8_t { some, line, exactly, until, all };
  // Nothing stands for the end.
  using Piece = std::optional<std::string>;
  using Answer = std::optional<Outcome<Piece>>;
  using Waiters = std::vector<Promise<void>>;

  template <class T>
  Deferred<T> read(Kind kind, std::size_t limit, SourceLocation where);
  void check_not_reading();
  void drop_unwanted_read();
  [[nodiscard]] bool awaited() const noexcept;
  [[nodiscard]] bool waiting() const noexcept { return waiting_.index() != 0; }
  void cancel_read() noexcept;
  template <class T>
  Promise<T> end_waiting();
  void answer(Outcome<Piece> outcome);
  void answer_if_complete();
  [[nodiscard]] Answer attempt();
  [[nodiscard]] Answer find_end(std::string_view end);
  [[nodiscard]] Outcome<Piece> at_end();
  [[nodiscard]] Failure too_long() const;
  [[nodiscard]] Outcome<Piece> take(std::size_t count, std::size_t skipped = 0);
  [[nodiscard]] std::string_view held() const noexcept {
    return std::string_view(buffer_).substr(taken_);
  }
  void empty_buffer() noexcept;
  void keep(BytesView data);
  void hold_back();
  void release_hold();

  [[nodiscard]] std::optional<Failure> refusal() const;
  Deferred<void> room(SourceLocation where);
  void let_writers_go();
  static Deferred<void> join(Waiters& waiters, SourceLocation where);

  // What every message needs comes first, in as few lines of the cache as it fits.
  Kind kind_ = Kind::some;
  bool ended_ = false;
  bool holding_ = false;
  bool giving_up_ = false;
  bool writing_paused_ = false;
  bool writing_ended_ = false;
  // The read that waits, and what it waits for.
  std::variant<std::monostate, Promise<Piece>, Promise<std::string>> waiting_;
  detail::TaskMemory reader_;
  std::size_t limit_ = 0;
  std::size_t high_water_;
  std::optional<Failure> loss_;
  // The unread bytes are those from `taken_` on.
  std::size_t taken_ = 0;
  std::string buffer_;

  std::size_t max_buffered_;
  // How many unread bytes hold no delimiter.
  std::size_t searched_ = 0;
  std::string delimiter_;
  Waiters writers_;
  Waiters closers_;
  DelayedCall look_call_;
};

}  // namespace weft
