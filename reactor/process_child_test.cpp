#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

// The program that the tests of processes run: its first argument says what it does. It is built
// without sanitizers and as small as it can be, since a thousand of it run at once.

int number(const char* text) {
  return std::atoi(text);
}

bool write_all(int to, const char* data, std::size_t size) {
  while (size > 0) {
    const auto written = ::write(to, data, size);
    if (written < 0) return false;
    data += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

void say(const char* text, int to = 1) {
  write_all(to, text, std::strlen(text));
}

int wait_for_ever() {
  for (;;)
    ::pause();
}

int copy(int from, int first, int second = -1) {
  static char block[64 * 1024];
  for (;;) {
    const auto count = ::read(from, block, sizeof block);
    if (count <= 0) return 0;
    const auto size = static_cast<std::size_t>(count);
    if (!write_all(first, block, size)) return 1;
    if (second >= 0 && !write_all(second, block, size)) return 1;
  }
}

// Leaves its standard input and output to somebody else, over 3.
int lend() {
  const int lent[2] = {0, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof lent)] = {};
  char byte = 0;
  iovec piece{&byte, 1};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof lent);
  std::memcpy(CMSG_DATA(head), lent, sizeof lent);
  return ::sendmsg(3, &message, 0) == 1 ? 0 : 1;
}

int list_descriptors() {
  DIR* const listing = ::opendir("/proc/self/fd");
  if (listing == nullptr) return 1;
  int found[64];
  int count = 0;
  while (const dirent* const entry = ::readdir(listing)) {
    const int descriptor = number(entry->d_name);
    if (entry->d_name[0] == '.' || descriptor == ::dirfd(listing) || count == 64) continue;
    found[count++] = descriptor;
  }
  std::sort(found, found + count);
  for (int i = 0; i < count; ++i)
    ::dprintf(1, "%d ", found[i]);
  return 0;
}

int tell_signals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_DFL) {
      ::dprintf(1, "%d is set ", signal);
    }
  }
  sigset_t blocked;
  ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
  for (int signal = 1; signal < NSIG; ++signal) {
    if (::sigismember(&blocked, signal) == 1) ::dprintf(1, "%d is blocked ", signal);
  }
  return 0;
}

int tell_files(char** descriptors) {
  for (; *descriptors != nullptr; ++descriptors) {
    struct stat status {};
    ::fstat(number(*descriptors), &status);
    ::dprintf(1, "%lu ", static_cast<unsigned long>(status.st_ino));
  }
  return 0;
}

int tell_user() {
  gid_t groups[64];
  const int count = ::getgroups(64, groups);
  ::dprintf(1, "%u %u %u %u", ::getuid(), ::geteuid(), ::getgid(), ::getegid());
  for (int i = 0; i < count; ++i)
    ::dprintf(1, " %u", groups[i]);
  return 0;
}

// Its own child holds the pipes until there is no more input.
int leave_grandchild() {
  if (::fork() != 0) return 3;
  copy(0, 1);
  say("late");
  return 0;
}

// It goes by SIGTERM, and leaves one behind that only SIGKILL ends.
int leave_stubborn_grandchild() {
  std::signal(SIGTERM, SIG_IGN);
  if (::fork() == 0) return wait_for_ever();
  std::signal(SIGTERM, SIG_DFL);
  say("ready\n");
  return wait_for_ever();
}

void tell_size(int) {
  winsize size{};
  ::ioctl(0, TIOCGWINSZ, &size);
  ::dprintf(1, "%dx%d\n", size.ws_row, size.ws_col);
}

void say_bye(int) {
  say("bye");
  ::_exit(0);
}

int write_much(const char* size) {
  static char block[64 * 1024];
  std::memset(block, 'x', sizeof block);
  for (auto left = static_cast<std::size_t>(std::atol(size)); left > 0;) {
    const auto part = std::min(left, sizeof block);
    if (!write_all(1, block, part)) return 1;
    left -= part;
  }
  return 0;
}

int on_signal_then_wait(int signal, void (*then)(int)) {
  std::signal(signal, then);
  say("ready\n");
  return wait_for_ever();
}

int close_early() {
  ::close(1);
  ::close(2);
  return copy(0, 1);
}

int print_list(char** list) {
  for (; *list != nullptr; ++list)
    write_all(1, *list, std::strlen(*list) + 1);
  return 0;
}

int say_where() {
  char path[4096];
  say(::getcwd(path, sizeof path) != nullptr ? path : "nowhere");
  return 0;
}

int on_terminal() {
  if (::isatty(0) == 0 || ::isatty(1) == 0 || ::isatty(2) == 0) return 1;
  if (::open("/dev/tty", O_RDWR) < 0 || ::getsid(0) != ::getpid()) return 2;
  tell_size(0);
  return 0;
}

int fault() {
  ::prctl(PR_SET_DUMPABLE, 0);
  return ::raise(SIGSEGV);
}
int print_environment() {
  return print_list(::environ);
}
int wait_on_term_with_bye() {
  return on_signal_then_wait(SIGTERM, say_bye);
}
int wait_on_term_ignored() {
  return on_signal_then_wait(SIGTERM, SIG_IGN);
}
int wait_on_size() {
  return on_signal_then_wait(SIGWINCH, tell_size);
}
int wait_ready() {
  say("ready\n");
  return wait_for_ever();
}
int cat() {
  return copy(0, 1);
}
int cat_to_both() {
  return copy(0, 1, 2);
}

struct Deed {
  const char* name;
  int (*done)();
};
constexpr Deed deeds[] = {{"cat", cat},
                          {"cat-to-both", cat_to_both},
                          {"close-early", close_early},
                          {"descriptors", list_descriptors},
                          {"environment", print_environment},
                          {"fault", fault},
                          {"grandchild", leave_grandchild},
                          {"ignore-term", wait_on_term_ignored},
                          {"on-terminal", on_terminal},
                          {"ready", wait_ready},
                          {"lend", lend},
                          {"say-bye", wait_on_term_with_bye},
                          {"signals", tell_signals},
                          {"size", wait_on_size},
                          {"stubborn-grandchild", leave_stubborn_grandchild},
                          {"user", tell_user},
                          {"wait", wait_for_ever},
                          {"where", say_where}};

}  // namespace

int main(int count, char** arguments) {
  // A test that dies leaves none of us behind.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (count < 2) return 99;
  const auto is = [&](const char* name) { return std::strcmp(arguments[1], name) == 0; };
  if (is("arguments")) return print_list(arguments);
  if (is("files")) return tell_files(arguments + 2);
  if (count > 2) {
    const char* const value = arguments[2];
    if (is("exit")) return number(value);
    if (is("signal")) return ::raise(number(value));
    if (is("much")) return write_much(value);
    if (is("say")) return say(value), 0;
    if (is("complain")) return say(value, 2), 7;
    if (is("copy") && count > 3) return copy(number(value), number(arguments[3]));
  }
  for (const auto& deed : deeds) {
    if (is(deed.name)) return deed.done();
  }
  return 98;
}
