// A child that the test plays, for tests of process protocols without any program.
#pragma once

#include "../framework/detail/held_context.hpp"
#include "../framework/process.hpp"
#include "manual_clock.hpp"
#include "string_transport.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::testing {

/// Has the pipes that options ask for; what the child would do is done by the test, and comes to
/// rest before the call returns. Only SIGKILL ends it by itself.
class StringProcess final : public Process, public std::enable_shared_from_this<StringProcess> {
 public:
  explicit StringProcess(const ProcessOptions& options);
  ~StringProcess() override;

  // ---- what was asked of it

  /// Everything written to its descriptor so far.
  [[nodiscard]] std::string written(int descriptor = 0) const;
  /// Whether our end of the pipe there is closed, or closing.
  [[nodiscard]] bool closed(int descriptor) const;
  /// The signals that it was sent, in order.
  [[nodiscard]] const std::vector<int>& signals() const noexcept { return signals_; }

  // ---- what the child does

  /// It writes `data` to its descriptor.
  void deliver(int descriptor, BytesView data);
  /// It closes its descriptor.
  void close(int descriptor);
  /// It ends, and its pipes with it.
  void exit(ProcessStatus status);
  /// It ends, and leaves its pipes to a child of its own; `close` ends them one by one.
  void exit_alone(ProcessStatus status);

  /// The pipe at its descriptor, to be blocked or broken.
  [[nodiscard]] StringTransport& string_transport(int descriptor) const;
  [[nodiscard]] ManualClock& manual_clock() noexcept { return clock_; }

  // ---- Process

  [[nodiscard]] std::int64_t pid() const noexcept override { return 4711; }
  [[nodiscard]] std::optional<ProcessStatus> status() const noexcept override { return status_; }
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
  friend std::shared_ptr<StringProcess> spawn(std::shared_ptr<ProcessProtocol> protocol,
                                              const ProcessOptions& options);
  class Pipe;
  struct Stream {
    ChildDescriptor::Kind kind;
    std::shared_ptr<StringTransport> transport;
  };

  void start(std::shared_ptr<ProcessProtocol> protocol);
  void check_writable(int descriptor) const override;
  [[nodiscard]] const Stream& stream(int descriptor) const;
  void add_stream(int descriptor, ChildDescriptor::Kind kind);
  void settle();
  void pipe_lost(int descriptor);
  void end_if_over();
  template <class F>
  void call_user(F&& callback);

  ManualClock clock_;
  // All callbacks run in it; that of whoever spawned the child, to begin with.
  weft::detail::HeldContext context_ = weft::detail::HeldContext::capture();
  Duration grace_;
  std::optional<TerminalSize> terminal_;
  std::map<int, Stream> streams_;
  std::size_t open_pipes_ = 0;
  std::vector<int> signals_;
  DelayedCall kill_call_;
  std::optional<ProcessStatus> status_;
  std::shared_ptr<ProcessProtocol> protocol_;
};

/// Gives `protocol` a StringProcess, which is given back. Dropping that ends it by SIGKILL.
std::shared_ptr<StringProcess> spawn(std::shared_ptr<ProcessProtocol> protocol,
                                     const ProcessOptions& options = {});

}  // namespace weft::testing
