// Sends a file, or whatever else can be read piece by piece, at the pace of its transport.
#pragma once

#include "../framework/deferred.hpp"
#include "../framework/error.hpp"
#include "../framework/producer.hpp"
#include "../framework/transport.hpp"
#include "../framework/unique_function.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace weft {

/// A file could not be opened or read; `code()` says why where the system did.
class FileError : public Error {
 public:
  using Error::Error;
};

/// Which part of a file is sent, and how.
struct FileSendOptions {
  FileSendOptions() {}
  /// Where to begin; what cannot be sought in is read up to there.
  std::uint64_t offset = 0;
  /// How much to send, when the file does not end before.
  std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max();
  /// Given each piece before it is sent; what it returns is sent instead.
  UniqueFunction<std::string(std::string_view piece)> transform;
};

/// Fills `room` from its front and says how much; zero at the end. What it throws ends the sending.
using FileSource = UniqueFunction<std::size_t(std::span<char> room)>;

/// Sends all that `source` gives, and fires with the number of bytes read from it once the last has
/// been written; closing the connection afterwards delivers them. Memory: one piece of 64 KiB and
/// what the transport has not sent of it. Cancelling stops it between two pieces. The source is
/// read in the loop's thread, one piece each time the transport runs dry.
/// Errors: what `source` or the transform throws, with the connection left as it is; ConnectionLost
/// when the connection ends before; ProducerAlreadyRegisteredError, thrown at once.
Deferred<std::uint64_t> send_from(Transport& transport, FileSource source,
                                  FileSendOptions options = {});
/// The same with the bytes of a file, which is opened at once.
/// Errors: FileError also for a file that cannot be opened.
Deferred<std::uint64_t> send_file(Transport& transport, const std::filesystem::path& path,
                                  FileSendOptions options = {});

}  // namespace weft
