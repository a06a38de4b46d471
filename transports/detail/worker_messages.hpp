// What a pool and its workers say to each other: frames with a length in front, a kind, and fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weft::detail {

/// What tells a program that it is a worker: its last argument.
inline constexpr std::string_view worker_argument = "--weft-worker";
/// A socket to the pool, out of the way of whatever the functions print.
inline constexpr int worker_descriptor = 3;
/// Raised with each change of the frames.
inline constexpr std::uint32_t worker_protocol_version = 1;
inline constexpr std::size_t frame_length_bytes = 4;
/// What a frame may have beside the arguments or the result that it carries.
inline constexpr std::size_t max_envelope_bytes = 64 * 1024;

// ---- from the worker

/// Its first words.
struct WorkerHello {
  std::uint32_t version = worker_protocol_version;
  std::vector<std::string> functions;
};
struct WorkerResult {
  std::uint64_t call = 0;
  std::string value;
};
struct WorkerFailure {
  enum class Kind : std::uint8_t { threw, out_of_memory, too_long, unknown_function };
  std::uint64_t call = 0;
  Kind kind = Kind::threw;
  std::string type_name;
  std::string said;
};

// ---- from the pool

/// Its first words.
struct WorkerSetup {
  std::uint64_t max_message_bytes = 0;
};
struct WorkerCall {
  std::uint64_t call = 0;
  /// Zero for any.
  std::uint64_t max_memory_bytes = 0;
  /// The variables of its context that are transferable, with their values.
  std::vector<std::pair<std::string, std::string>> context;
  std::string function;
  std::string arguments;
};

using FromWorker = std::variant<WorkerHello, WorkerResult, WorkerFailure>;
using ToWorker = std::variant<WorkerSetup, WorkerCall>;

/// A whole frame, length included. Errors: std::length_error beyond 4 GiB.
[[nodiscard]] std::string framed(const FromWorker& message);
[[nodiscard]] std::string framed(const ToWorker& message);

/// Of a frame without its length. Errors: ProtocolError when it is none.
[[nodiscard]] FromWorker parse_from_worker(std::string_view frame);
[[nodiscard]] ToWorker parse_to_worker(std::string_view frame);

/// What the length in front of a frame says.
[[nodiscard]] std::size_t frame_length(std::string_view length) noexcept;

/// Cuts what a worker sends into frames.
class FrameCutter {
 public:
  explicit FrameCutter(std::size_t max_bytes) : max_bytes_(max_bytes) {}
  void feed(std::string_view data);
  /// The next whole frame, until the next call. Errors: ProtocolError for one that is too long.
  [[nodiscard]] std::optional<std::string_view> next();

 private:
  std::size_t max_bytes_;
  std::string kept_;
  std::size_t taken_ = 0;
};

}  // namespace weft::detail
