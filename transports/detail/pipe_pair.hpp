// Two joined ends of a pipe on Windows: ours for a reactor, the other for a child.
#pragma once

#include "owned_handle.hpp"

#include <cstdint>

namespace weft::detail {

/// Which way the bytes go.
enum class PipeFlow : std::uint8_t { to_us, from_us };

struct PipePair {
  /// Opened for overlapped I/O, and not inherited.
  OwnedHandle ours;
  /// As programs expect their standard input and output: not overlapped, and inheritable.
  OwnedHandle theirs;
};

/// How many bytes each pipe holds.
inline constexpr DWORD pipe_buffer_size = 64 * 1024;

/// A pipe of a name that nobody else has. Anonymous pipes cannot be used, since Windows opens
/// neither end of them for overlapped I/O. Errors: std::system_error.
[[nodiscard]] PipePair overlapped_pipe_pair(PipeFlow flow);

}  // namespace weft::detail
