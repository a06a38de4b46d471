// A child on Windows: its handle, its job, and our ends of its pipes.
#pragma once

#include "../../framework/process.hpp"
#include "../../framework/reactor.hpp"
#include "child_pipe.hpp"
#include "handle_carrier.hpp"
#include "process_handles.hpp"
#include "windows_launch.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <vector>

namespace weft::detail {

/// Windows has no signals: it is asked to end by CTRL_BREAK_EVENT where it has a group of its own
/// and shares our console, and otherwise ended at once, with 128 and the signal's number for a code
/// that is then told as that signal.
class NativeProcess {
 public:
  /// Starts it. Errors: SpawnError, InvalidArgument; NotSupportedOnThisPlatform for options that
  /// Windows has no notion of, and for a reactor that is not on IOCP.
  NativeProcess(Reactor& reactor, const ProcessOptions& options);

  [[nodiscard]] std::int64_t pid() const noexcept { return launched_.pid; }
  /// Nothing is left of it.
  [[nodiscard]] bool reaped() const noexcept { return !launched_.process.open(); }

  /// One connection of its standard input and output.
  [[nodiscard]] std::shared_ptr<StreamTransport> join_standard_streams();
  /// All of our ends that were not joined; once.
  [[nodiscard]] std::vector<ChildPipe> open_pipes();

  /// Has `exited` called when it is gone, unless `stop_waiting` comes before.
  void wait_for_exit(Callback exited);
  void stop_waiting() noexcept { exit_watch_ = Watch(); }
  /// How it ended, if it did.
  [[nodiscard]] std::optional<ProcessStatus> look() const noexcept;
  void reap() noexcept { launched_.process.close(); }
  /// Kills it, or its whole group, and waits. Nothing where it does not go away.
  std::optional<ProcessStatus> kill_and_reap(bool group) noexcept;

  /// What kept it from being sent, or none; std::errc::no_such_process once it is gone, and
  /// std::errc::not_supported for all but SIGTERM, SIGINT, SIGBREAK and SIGKILL, which is 9.
  std::error_code send(int signal) noexcept;
  void ask_group_to_end() noexcept;
  void kill() noexcept;
  void kill_group() noexcept;

  // There are no terminals.
  [[nodiscard]] static bool terminal_open() noexcept { return false; }
  [[nodiscard]] static std::optional<char> end_of_input() noexcept { return std::nullopt; }
  static void resize_terminal(TerminalSize) noexcept {}
  static void close_terminal() noexcept {}

 private:
  [[nodiscard]] bool ask_to_end() const noexcept;
  bool ended(bool by_us, int signal) noexcept;
  bool end_process(int signal) noexcept;
  bool end_group(int signal) noexcept;

  iocp::AsioLoop& loop_;
  ProcessHandles handles_;
  LaunchedProgram launched_;
  Watch exit_watch_;
  // The signal that CTRL_BREAK_EVENT stood for, and the one that it was ended by; none.
  int asked_by_ = 0;
  int ended_by_ = 0;
};

}  // namespace weft::detail
