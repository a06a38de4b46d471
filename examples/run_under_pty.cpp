// Run `run_under_pty -- top` in a terminal: the program has a terminal of its own, as large as
// yours, and you see and type what it does. Its exit status becomes ours.
#include "example.hpp"

#include <csignal>
#include <functional>
#include <memory>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

namespace {

/// Our terminal passes each key on as it is, while this lives.
class RawTerminal {
 public:
  RawTerminal() {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
    raw_ = true;
    auto raw = before_;
    cfmakeraw(&raw);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  ~RawTerminal() {
    if (raw_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios before_{};
  bool raw_ = false;
};

weft::TerminalSize our_size() {
  winsize size{};
  if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return {};
  return {size.ws_row, size.ws_col};
}

/// One of two connections: each writes what the other receives, no faster than it can.
class Side : public weft::Protocol {
 public:
  void join(Side& other) { other_ = &other; }
  void write(weft::BytesView data) { transport().write(data); }
  void close() { transport().lose_connection(); }

  std::function<void()> on_end = [this] { close(); };
  std::function<void()> on_loss;

  void data_received(weft::BytesView data) override { other_->write(data); }
  void eof_received() override { on_end(); }
  void pause_writing() override { other_->transport().pause_producing(); }
  void resume_writing() override { other_->transport().resume_producing(); }
  void connection_lost(const weft::Failure&) override { on_loss(); }

 private:
  Side* other_ = nullptr;
};

int exit_status(const weft::ProcessStatus& status) {
  return status.exit_code() ? *status.exit_code() : 128 + status.signal().value_or(0);
}

/// Tells of SIGWINCH by a descriptor, which a reactor can watch.
int open_size_changes() {
  sigset_t changes;
  sigemptyset(&changes);
  sigaddset(&changes, SIGWINCH);
  sigprocmask(SIG_BLOCK, &changes, nullptr);
  return signalfd(-1, &changes, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<std::string> command;
  Example example(Example::Role::tool, "Runs a program on a terminal of its own.", 0);
  example.add_option("command", command, "The program and its arguments, after --");
  const int size_changes = open_size_changes();
  RawTerminal raw;
  weft::Watch sizes;
  const auto user = std::make_shared<Side>();
  const auto program = std::make_shared<Side>();
  user->join(*program);
  program->join(*user);
  return example.run(argc, argv, [&] {
    // [spawn]
    weft::ProcessOptions options(command);
    options.terminal = our_size();
    const auto process = weft::spawn_stream(example.reactor(), options, program);
    // [spawn]
    program->on_loss = [&, process] {
      user->on_loss = [&, process] { example.finish(exit_status(*process->status())); };
      user->close();
    };
    user->on_end = [process] { process->close_stdin(); };
    user->on_loss = [&, process] {
      // Without us the program is hung up on, and ends.
      program->on_loss = [&, process] { example.finish(exit_status(*process->status())); };
      program->close();
    };
    weft::open_stdio(example.reactor(), user);
    sizes = example.reactor().watch(size_changes, weft::Interest::readable, [=] {
      signalfd_siginfo change;
      if (read(size_changes, &change, sizeof change) > 0) process->set_terminal_size(our_size());
    });
  });
} catch (...) {
  return report_exception();
}
