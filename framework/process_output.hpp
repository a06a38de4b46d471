// What a program writes and how it ends, as one result.
#pragma once

#include "deferred.hpp"
#include "process.hpp"

#include <cstddef>
#include <string>

namespace weft {

class Reactor;

/// What a program is given, and how much of its output is kept.
struct OutputOptions {
  OutputOptions() {}
  static constexpr std::size_t default_max_output_bytes = 16 * 1024 * 1024;

  /// Written to its standard input, which is closed then.
  std::string input;
  /// For its standard output, and once more for its standard error.
  std::size_t max_output_bytes = default_max_output_bytes;
};

/// All that a program wrote, and how it ended.
struct ProcessResult {
  std::string out;
  std::string err;
  ProcessStatus status;
};

/// A program wrote more than is kept; it was ended.
class OutputTooLong : public Error {
 public:
  using Error::Error;
};

/// Runs a program and gives what it wrote to its standard output, once it has ended with 0 and its
/// pipes are closed. Cancelling ends it as `Process::terminate` does. Errors, all through the
/// deferred: ProcessFailed, with the end of its standard error, for any other end; SpawnError;
/// OutputTooLong; InvalidArgument.
Deferred<std::string> get_process_output(Reactor& reactor, const ProcessOptions& options,
                                         const OutputOptions& gathering = {});
/// The same with standard error, and with whatever status it has: it does not fail with
/// ProcessFailed.
Deferred<ProcessResult> get_process_result(Reactor& reactor, const ProcessOptions& options,
                                           const OutputOptions& gathering = {});
/// What it exits with; its output is dropped, however much it is. Errors: ProcessFailed when it
/// does not exit by itself; SpawnError.
Deferred<int> get_process_value(Reactor& reactor, const ProcessOptions& options,
                                const OutputOptions& gathering = {});

}  // namespace weft
