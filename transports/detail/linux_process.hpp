// A child on Linux: its number, its pidfd, its terminal, and our ends of its pipes.
#pragma once

#include "../../framework/process.hpp"
#include "../../framework/reactor.hpp"
#include "child_pipe.hpp"
#include "process_descriptors.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <sys/types.h>
#include <system_error>
#include <vector>

namespace weft::detail {

class NativeProcess {
 public:
  /// Starts it. Errors: SpawnError, InvalidArgument.
  NativeProcess(Reactor& reactor, const ProcessOptions& options);

  [[nodiscard]] std::int64_t pid() const noexcept { return pid_; }
  /// Nothing is left of it: it was waited for, by us or by somebody else.
  [[nodiscard]] bool reaped() const noexcept { return reaped_; }

  /// One connection of its standard input and output, or of its terminal.
  [[nodiscard]] std::shared_ptr<StreamTransport> join_standard_streams();
  /// All of our ends that were not joined; once.
  [[nodiscard]] std::vector<ChildPipe> open_pipes();

  /// Has `exited` called when it may be gone, until `stop_waiting`.
  void wait_for_exit(Callback exited);
  void stop_waiting() noexcept { exit_watch_ = Watch(); }
  /// How it ended, if it did; its number stays taken.
  [[nodiscard]] std::optional<ProcessStatus> look() const noexcept;
  void reap() noexcept;
  /// Kills it, or its whole group, and waits. Nothing where it does not go away.
  std::optional<ProcessStatus> kill_and_reap(bool group) noexcept;

  /// What kept it from being sent, or none; std::errc::no_such_process once it is gone.
  std::error_code send(int signal) noexcept;
  void ask_group_to_end() noexcept;
  void kill() noexcept;
  void kill_group() noexcept;

  [[nodiscard]] bool terminal_open() const noexcept { return terminal_.open(); }
  /// What is typed there for the end of input.
  [[nodiscard]] std::optional<char> end_of_input() const noexcept;
  void resize_terminal(TerminalSize size) noexcept;
  void close_terminal() noexcept { terminal_.close(); }

 private:
  [[nodiscard]] std::shared_ptr<StreamTransport> open_terminal();

  Reactor& reactor_;
  ProcessDescriptors descriptors_;
  pid_t pid_ = -1;
  OwnedDescriptor handle_;
  // A copy, for its size; closed with the connection, so that the child hears of that.
  OwnedDescriptor terminal_;
  Watch exit_watch_;
  bool reaped_ = false;
};

}  // namespace weft::detail
