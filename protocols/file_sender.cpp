#include "file_sender.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <optional>
#include <utility>

namespace weft {

namespace {

constexpr std::size_t piece_size = 64 * 1024;

// Kept by its transport while it is registered, which is all the time that it needs the transport.
class FileSender final : public Producer, public std::enable_shared_from_this<FileSender> {
 public:
  FileSender(Transport& transport, FileSource source, FileSendOptions options)
      : transport_(transport), source_(std::move(source)), options_(std::move(options)) {}

  Deferred<std::uint64_t> begin() {
    promise_.emplace([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->leave();
    });
    auto done = promise_->deferred();
    transport_.register_producer(shared_from_this(), Streaming::pull);
    return done;
  }

  void resume_producing() override {
    if (over_) return;
    try {
      send_piece();
    } catch (...) {
      leave();
      promise_->errback(Failure::current());
    }
  }

  void stop_producing() override {
    if (std::exchange(over_, true)) return;
    promise_->errback(
        Failure(ConnectionLost("The connection with " + transport_.peer().text() + " ended after " +
                                   std::to_string(sent_) + " bytes of what was to be sent.",
                               transport_.peer())));
  }

 private:
  void send_piece() {
    const auto skipping = options_.offset > 0;
    const auto count = read(skipping ? options_.offset : options_.max_bytes - sent_);
    // `stop_producing` tells of a connection that the source broke.
    if (over_ || !transport_.connected()) return;
    if (count == 0) {
      leave();
      promise_->callback(sent_);
      return;
    }
    if (skipping) {
      options_.offset -= count;
      send_again();
      return;
    }
    sent_ += count;
    const std::string_view piece(room_.data(), count);
    if (!options_.transform) {
      transport_.write(piece);
      return;
    }
    const auto changed = options_.transform(piece);
    if (over_) return;
    transport_.write(changed);
    // A piece that came to nothing runs dry by itself, but nobody would tell.
    if (changed.empty()) send_again();
  }
  // Reads up to `left` bytes into the room; zero at the end.
  std::size_t read(std::uint64_t left) {
    const auto room =
        std::span(room_).first(static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, left)));
    const auto count = room.empty() ? 0 : source_(room);
    if (count > room.size()) throw InvalidArgument("A source gave more than there was room for.");
    return count;
  }
  void send_again() {
    transport_.clock().call_later(Duration::zero(), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->resume_producing();
    });
  }
  void leave() {
    if (!std::exchange(over_, true)) transport_.unregister_producer();
  }

  Transport& transport_;
  FileSource source_;
  FileSendOptions options_;
  std::optional<Promise<std::uint64_t>> promise_;
  std::array<char, piece_size> room_;
  std::uint64_t sent_ = 0;
  bool over_ = false;
};

FileError file_error(const std::filesystem::path& path, const char* what) {
  const std::error_code code(errno, std::generic_category());
  return FileError(path.string() + " could not be " + what + ": " + code.message() + ".", {}, code);
}

}  // namespace

Deferred<std::uint64_t> send_from(Transport& transport, FileSource source,
                                  FileSendOptions options) {
  if (!source) throw InvalidArgument("There is nothing to send from; pass a source.");
  return std::make_shared<FileSender>(transport, std::move(source), std::move(options))->begin();
}

Deferred<std::uint64_t> send_file(Transport& transport, const std::filesystem::path& path,
                                  FileSendOptions options) {
  errno = 0;
  auto file = std::make_shared<std::ifstream>(path, std::ios::binary);
  if (!*file) return fail<std::uint64_t>(Failure(file_error(path, "opened")));
  // What cannot be sought in, a pipe, is read from its beginning.
  if (options.offset <= std::numeric_limits<std::streamoff>::max() &&
      file->seekg(static_cast<std::streamoff>(options.offset))) {
    options.offset = 0;
  }
  file->clear();
  return send_from(
      transport,
      [file, path](std::span<char> room) -> std::size_t {
        errno = 0;
        file->read(room.data(), static_cast<std::streamsize>(room.size()));
        if (file->bad()) throw file_error(path, "read");
        return static_cast<std::size_t>(file->gcount());
      },
      std::move(options));
}

}  // namespace weft
