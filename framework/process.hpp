// Child processes: how a program is run, what its protocol is told, and how it ended.
#pragma once

#include "bytes.hpp"
#include "clock.hpp"
#include "error.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

class Process;
class Transport;

// ---- how it ended

/// How a process ended.
class ProcessStatus {
 public:
  /// It exited with `code`.
  [[nodiscard]] static ProcessStatus exited(int code) noexcept;
  /// A signal ended it.
  [[nodiscard]] static ProcessStatus signalled(int signal, bool dumped_core = false) noexcept;
  /// It is gone, and somebody else was told how: SIGCHLD is ignored, or another part of the program
  /// waits for any child.
  [[nodiscard]] static ProcessStatus unknown() noexcept;

  /// What it exited with; nothing when it did not exit by itself.
  [[nodiscard]] std::optional<int> exit_code() const noexcept;
  /// The signal that ended it, or nothing.
  [[nodiscard]] std::optional<int> signal() const noexcept;
  [[nodiscard]] bool dumped_core() const noexcept { return dumped_core_; }
  /// It exited with 0.
  [[nodiscard]] bool succeeded() const noexcept { return kind_ == Kind::exited && value_ == 0; }
  /// "exited with code 3", "was ended by SIGKILL".
  [[nodiscard]] std::string text() const;

  friend bool operator==(const ProcessStatus&, const ProcessStatus&) = default;

 private:
  enum class Kind : std::uint8_t { exited, signalled, unknown };
  ProcessStatus(Kind kind, int value, bool dumped_core) noexcept
      : kind_(kind), dumped_core_(dumped_core), value_(value) {}

  Kind kind_;
  bool dumped_core_;
  int value_;
};

/// The number of "SIGTERM" or "TERM" on this system. Errors: InvalidArgument when it has no such
/// signal.
[[nodiscard]] int signal_number(std::string_view name);
/// "SIGTERM", or "signal 42" for one that has no name.
[[nodiscard]] std::string signal_name(int number);

/// A process did not exit with 0.
class ProcessFailed : public Error {
 public:
  /// `said` is the end of what it wrote to its standard error, if that is known.
  ProcessFailed(const std::string& program, ProcessStatus status, std::string_view said = {});
  [[nodiscard]] const ProcessStatus& status() const noexcept { return status_; }

 private:
  ProcessStatus status_;
};
/// Something was asked of a process that is gone: its number may be another's by now.
class ProcessExited : public Error {
 public:
  using Error::Error;
};

// ---- how it is run

/// What one descriptor of a child is.
class ChildDescriptor {
 public:
  enum class Kind : std::uint8_t { from_child, to_child, both_ways, same_as, descriptor, null };

  /// A pipe that the child writes to and we read from.
  [[nodiscard]] static ChildDescriptor from_child() noexcept { return {Kind::from_child, -1}; }
  /// A pipe that we write to and the child reads from.
  [[nodiscard]] static ChildDescriptor to_child() noexcept { return {Kind::to_child, -1}; }
  /// A socket for both directions.
  [[nodiscard]] static ChildDescriptor both_ways() noexcept { return {Kind::both_ways, -1}; }
  /// The same as another descriptor of the child, which is no `same_as` itself: standard error as
  /// standard output, for example.
  [[nodiscard]] static ChildDescriptor same_as(int other) noexcept {
    return {Kind::same_as, other};
  }
  /// A copy of a descriptor of ours, which stays the caller's.
  [[nodiscard]] static ChildDescriptor descriptor(int ours) noexcept {
    return {Kind::descriptor, ours};
  }
  /// What gives nothing and takes everything.
  [[nodiscard]] static ChildDescriptor null() noexcept { return {Kind::null, -1}; }

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  /// The descriptor that `same_as` or `descriptor` was given.
  [[nodiscard]] int number() const noexcept { return number_; }

 private:
  ChildDescriptor(Kind kind, int number) noexcept : kind_(kind), number_(number) {}

  Kind kind_;
  int number_;
};

/// The size of a terminal, in characters.
struct TerminalSize {
  std::uint16_t rows = 24;
  std::uint16_t columns = 80;
  friend bool operator==(const TerminalSize&, const TerminalSize&) = default;
};

/// How to run a program. What Windows has no notion of (user and groups, a terminal, a session,
/// `both_ways`) throws NotSupportedOnThisPlatform there.
struct ProcessOptions {
  ProcessOptions(SourceLocation asked_at = SourceLocation::current()) : where(asked_at) {}
  /// `command` is the program and its arguments.
  ProcessOptions(std::initializer_list<std::string> command,
                 SourceLocation asked_at = SourceLocation::current());
  explicit ProcessOptions(std::vector<std::string> command,
                          SourceLocation asked_at = SourceLocation::current());

  /// Who a child belongs with, for signals and terminals.
  enum class Group : std::uint8_t { ours, own_group, own_session };
  /// What becomes of a child that still runs when its reactor stops. It is never left behind:
  /// dropping a Process, on the other hand, leaves the child running and its protocol told.
  enum class AtStop : std::uint8_t {
    /// Asked to end as soon as the shutdown begins, which waits for it; killed when it has not
    /// ended within `grace` or when the shutdown's deadline has come.
    terminate,
    /// Killed together with the connections, so that the application's own triggers may end it in
    /// another way before.
    kill,
  };

  /// A path, or a name without a slash that is looked for in the child's PATH. On Windows ".exe"
  /// may be left out, and batch files are refused.
  std::string program;
  /// Without the program's own name.
  std::vector<std::string> arguments;
  /// What the program sees as its own name; `program` unless set.
  std::optional<std::string> called;
  /// All variables of the child; ours unless set. Empty is none at all.
  std::optional<std::map<std::string, std::string>> environment;
  /// Where it runs; here when empty.
  std::string directory;
  /// Who it runs as; like us unless set. With either set, its further groups are `groups` alone.
  std::optional<std::uint32_t> user;
  std::optional<std::uint32_t> group;
  std::vector<std::uint32_t> groups;
  /// The child's descriptors by number; it has no others. With a terminal, 0 to 2 are that.
  std::map<int, ChildDescriptor> descriptors{{0, ChildDescriptor::to_child()},
                                             {1, ChildDescriptor::from_child()},
                                             {2, ChildDescriptor::from_child()}};
  /// Runs it on a terminal of its own, of that size, in a session of its own. What it writes there
  /// is told as from descriptor 1; descriptors 0, 1 and 2 mean the terminal.
  std::optional<TerminalSize> terminal;
  Group process_group = Group::ours;

  AtStop at_stop = AtStop::terminate;
  /// How long a child has from being asked to end until it is killed.
  Duration grace = std::chrono::seconds(5);
  /// How long pipes stay open once the child is gone, since its own children may hold them; for as
  /// long as they like unless set.
  std::optional<Duration> drain_grace;
  /// Where the application asks for it, which reports name.
  SourceLocation where;
};

// ---- what users write, and what they talk through

/// What happens to one child. In order: `connection_made`; data, and the end of each descriptor, as
/// they come; `process_exited` once the child is gone, which may be before the last of its output;
/// `process_ended` once it is gone and every pipe is closed, last of all. The last two come exactly
/// once. Callbacks do not nest. Lifetime: kept alive until `process_ended` has returned; keeps its
/// process. Errors: what a callback about one descriptor throws closes that descriptor;
/// what `connection_made` throws kills the child; all is logged.
class ProcessProtocol : public std::enable_shared_from_this<ProcessProtocol> {
 public:
  ProcessProtocol();
  virtual ~ProcessProtocol();
  ProcessProtocol(const ProcessProtocol&) = delete;
  ProcessProtocol& operator=(const ProcessProtocol&) = delete;

  /// The program runs, and may be written to.
  virtual void connection_made() {}
  /// The child wrote to its `descriptor`; never nothing. By default 1 goes to `out_received` and 2
  /// to `err_received`.
  virtual void child_data_received(int descriptor, BytesView data);
  virtual void out_received(BytesView) {}
  virtual void err_received(BytesView) {}
  /// The pipe at the child's `descriptor` is closed, by either side.
  virtual void child_connection_lost(int) {}
  /// The child is gone, and has been waited for.
  virtual void process_exited(const ProcessStatus&) {}
  /// It is gone and all of its pipes are closed; nothing comes after this.
  virtual void process_ended(const ProcessStatus&) {}
  /// What was written to the child's `descriptor` and not yet taken has passed the high-water mark,
  virtual void pause_writing(int) {}
  /// ... and has fallen to the low-water mark.
  virtual void resume_writing(int) {}

  /// Gives the protocol its process and calls `connection_made`: what a reactor or a test calls,
  /// once.
  void make_connection(std::shared_ptr<Process> process);

 protected:
  /// Errors: NotConnectedError before `make_connection`.
  [[nodiscard]] Process& process() const;

 private:
  std::shared_ptr<Process> process_;
};

/// A child that was started. Dropping it leaves the child alone.
class Process {
 public:
  Process();
  virtual ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Its number; remembered after it is gone, when it may be another's.
  [[nodiscard]] virtual std::int64_t pid() const noexcept = 0;
  /// How it ended; nothing while it runs.
  [[nodiscard]] virtual std::optional<ProcessStatus> status() const noexcept = 0;

  /// Our end of the pipe at the child's `descriptor`, with all that a transport can do; it ignores
  /// what it is asked once it is closed. Errors: InvalidArgument when the child has no pipe there.
  [[nodiscard]] virtual Transport& pipe(int descriptor) const = 0;
  /// Writes to the child's `descriptor`. Errors: InvalidArgument when it has no pipe there to read
  /// from.
  void write(int descriptor, BytesView data);
  void write(int descriptor, Bytes data);
  /// The same to its standard input.
  void write(BytesView data) { write(0, data); }
  void write(Bytes data) { write(0, std::move(data)); }
  /// Closes the pipe at the child's `descriptor`, once everything written has gone out.
  /// Errors: InvalidArgument when it has no pipe there.
  virtual void close_child_descriptor(int descriptor) = 0;
  /// The same for its standard input. On a terminal this sends the character that means the end of
  /// input, which a program hears that reads line by line.
  virtual void close_stdin() = 0;
  /// Closes all pipes; the child is not told otherwise.
  virtual void lose_connection() = 0;

  /// Holds back what the child writes, on all pipes; `pipe(n).pause_producing()` does it for one.
  /// Counted, as in Transport.
  virtual void pause_producing() = 0;
  virtual void resume_producing() = 0;

  /// Sends a signal. Windows has none, and TERM, INT, BREAK and KILL, which is 9, stand for what
  /// `terminate` and `kill` do first. Errors: ProcessExited once it is gone; InvalidArgument when
  /// the system refuses.
  virtual void signal_process(int signal) = 0;
  /// The same by name: "TERM", "SIGTERM". Errors: also InvalidArgument for an unknown name.
  void signal_process(std::string_view name);

  /// Whom `terminate` ends.
  enum class Reach : std::uint8_t { process, group };
  /// Asks the child to end (SIGTERM), and kills it when it still runs after `grace`; the process's
  /// options say how long unless it is given. With Reach::group its whole group is asked, which
  /// must be its own. Nothing happens once it is gone. On Windows a group of its own is asked, by
  /// CTRL_BREAK_EVENT; who has none, or not our console, is ended at once.
  /// Errors: InvalidArgument for a group that is ours.
  virtual void terminate(std::optional<Duration> grace = std::nullopt,
                         Reach reach = Reach::process) = 0;
  /// Kills it (SIGKILL); nothing happens once it is gone.
  virtual void kill() noexcept = 0;

  /// The size of its terminal; setting it has the child told by SIGWINCH.
  /// Errors: InvalidArgument when it has none.
  [[nodiscard]] virtual TerminalSize terminal_size() const = 0;
  virtual void set_terminal_size(TerminalSize size) = 0;

 protected:
  /// What `write` checks: throws when the child does not read from a pipe there.
  virtual void check_writable(int descriptor) const = 0;
};

}  // namespace weft
