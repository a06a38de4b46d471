// Run `run_under_pty -- top` in a terminal: the program has a terminal of its own, as large as
// yours, and you see and type what it does. Its exit status becomes ours.
#include "example.hpp"

#include <csignal>
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

class Console;

// [program]
/// What the program does goes to our terminal.
class Program : public weft::ProcessProtocol {
 public:
  explicit Program(Console& console) : console_(console) {}
  void out_received(weft::BytesView data) override;
  void pause_writing(int) override;
  void resume_writing(int) override;
  void process_ended(const weft::ProcessStatus& status) override;

 private:
  Console& console_;
};
// [program]

/// What is typed goes to the program; each side is held back while the other does not read.
class Console : public weft::Protocol {
 public:
  explicit Console(Example& example) : example_(example) {}

  void start(const weft::ProcessOptions& options) {
    process_ = example_.reactor().spawn_process(std::make_shared<Program>(*this), options);
  }
  void show(weft::BytesView data) { transport().write(data); }
  void hold(bool on) { on ? transport().pause_producing() : transport().resume_producing(); }
  void follow_size() { process_->set_terminal_size(our_size()); }
  void ended(const weft::ProcessStatus& status) {
    status_ = status.exit_code() ? *status.exit_code() : 128 + status.signal().value_or(0);
    if (!transport().connected()) return example_.finish(status_);
    transport().lose_connection();
  }

  void data_received(weft::BytesView data) override { process_->write(data); }
  void eof_received() override { process_->close_stdin(); }
  void pause_writing() override { process_->pause_producing(); }
  void resume_writing() override { process_->resume_producing(); }
  void connection_lost(const weft::Failure&) override {
    // Without us the program is hung up on, and it ends.
    process_->status() ? example_.finish(status_) : process_->lose_connection();
  }

 private:
  Example& example_;
  std::shared_ptr<weft::Process> process_;
  int status_ = 1;
};

void Program::out_received(weft::BytesView data) {
  console_.show(data);
}
void Program::pause_writing(int) {
  console_.hold(true);
}
void Program::resume_writing(int) {
  console_.hold(false);
}
void Program::process_ended(const weft::ProcessStatus& status) {
  console_.ended(status);
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
  Example example("Runs a program on a terminal of its own.", 0);
  example.add_option("command", command, "The program and its arguments, after --");
  const int size_changes = open_size_changes();
  RawTerminal raw;
  weft::Watch sizes;
  return example.run(argc, argv, [&] {
    weft::ProcessOptions options(command);
    options.terminal = our_size();
    auto console = std::make_shared<Console>(example);
    weft::open_stdio(example.reactor(), console);
    console->start(options);
    sizes = example.reactor().watch(size_changes, weft::Interest::readable, [=] {
      signalfd_siginfo change;
      if (read(size_changes, &change, sizeof change) > 0) console->follow_size();
    });
  });
} catch (...) {
  return report_exception();
}
