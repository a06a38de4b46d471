// A child of ours: its pipes, its end, and that nothing is left of it.
#pragma once

#include "../../framework/process.hpp"
#include "../../framework/reactor.hpp"
#include "../../framework/turn.hpp"
#include "native_process.hpp"

#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace weft::detail {

/// Over any reactor that can watch its end, and carry its pipes. Kept alive by its reactor from
/// `begin` until `process_ended` has returned.
class ChildProcess final : public Process,
                           public Turn::Participant,
                           public std::enable_shared_from_this<ChildProcess> {
 public:
  /// Starts it. Errors: SpawnError, InvalidArgument.
  ChildProcess(Reactor& reactor, const ProcessOptions& options);
  /// One that did not begin is killed.
  ~ChildProcess() override;

  /// Makes one connection of the child's standard input and output, or of its terminal, for the
  /// caller to establish before `begin`, and to tell of by `pipe_lost(1)` when it is over.
  [[nodiscard]] std::shared_ptr<StreamTransport> join_standard_streams();
  /// Establishes the pipes, waits for the end, and calls `connection_made`. Errors: what the
  /// reactor cannot watch; the child is killed then.
  void begin(std::shared_ptr<ProcessProtocol> protocol);
  /// The connection over `descriptor` goes on over `transport`, which start_tls put around it.
  void change_pipe(int descriptor, const std::shared_ptr<Transport>& transport);
  /// The connection over `descriptor` is over, its protocol told.
  void pipe_lost(int descriptor) noexcept;

  [[nodiscard]] PendingWork describe() const override {
    if (protocol_ == nullptr) return {};
    return {"process", program_ + ", number " + std::to_string(pid()), where()};
  }
  [[nodiscard]] const char* subject_type() const noexcept override;
  [[nodiscard]] std::int64_t pid() const noexcept override { return native_.pid(); }
  [[nodiscard]] std::optional<ProcessStatus> status() const noexcept override { return status_; }
  [[nodiscard]] const std::string& program() const noexcept { return program_; }
  [[nodiscard]] Duration grace() const noexcept { return grace_; }
  [[nodiscard]] Transport& pipe(int descriptor) const override;
  void close_child_descriptor(int descriptor) override;
  void close_stdin() override;
  void lose_connection() override;
  void pause_producing() override;
  void resume_producing() override;
  using Process::signal_process;
  void signal_process(int signal) override;
  void terminate(std::optional<Duration> grace, Reach reach) override;
  void kill() noexcept override;
  [[nodiscard]] TerminalSize terminal_size() const override;
  void set_terminal_size(TerminalSize size) override;

 private:
  class Pipe;
  struct Stream {
    ChildDescriptor::Kind kind;
    std::shared_ptr<Transport> transport;
    // Not yet established.
    std::shared_ptr<StreamTransport> waiting;
  };

  void check_writable(int descriptor) const override;
  void flush() noexcept override {}
  void wake() noexcept override {}
  void loop_ended() noexcept override;

  [[nodiscard]] const Stream& stream(int descriptor) const;
  template <class F>
  void call_user(const char* what, F&& callback) noexcept;
  [[nodiscard]] Deferred<void> stop();
  void kill_group_and_reap() noexcept;
  void exited();
  void kill_and_reap() noexcept;
  void tell_exit(ProcessStatus status);
  void abort_pipes();
  void end_if_over();

  Reactor& reactor_;
  // All callbacks run in it; that of whoever started the program, to begin with.
  HeldContext context_ = HeldContext::capture();
  std::string program_;
  ProcessOptions::Group group_;
  ProcessOptions::AtStop at_stop_;
  Duration grace_;
  std::optional<Duration> drain_grace_;
  NativeProcess native_;
  TerminalSize terminal_size_;
  std::shared_ptr<ProcessProtocol> protocol_;
  std::map<int, Stream> streams_;
  std::size_t open_pipes_ = 0;
  DelayedCall kill_call_;
  DelayedCall drain_call_;
  std::optional<TriggerId> stop_trigger_;
  std::optional<Promise<void>> stopped_;
  std::optional<ProcessStatus> status_;
  // What `kill_and_reap` found.
  std::optional<ProcessStatus> death_;
  // The whole group is being ended: the child's number, which is the group's, must stay taken.
  bool ends_group_ = false;
  bool on_terminal_ = false;
};

/// What Reactor::spawn_process does, on any reactor that can do so much.
[[nodiscard]] std::shared_ptr<Process> spawn_child(Reactor& reactor,
                                                   std::shared_ptr<ProcessProtocol> protocol,
                                                   const ProcessOptions& options);

}  // namespace weft::detail
