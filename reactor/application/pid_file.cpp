#include "pid_file.hpp"

#include <utility>

#ifdef __linux__

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace weft {

namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  const std::error_code error(errno, std::system_category());
  throw PidFileError("The pid file " + path + " cannot be " + what + ": " + error.message() +
                         "; see to its directory and rights, or choose another file.",
                     0, error);
}

class Opened {
 public:
  explicit Opened(const std::string& path)
      : number_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644)) {
    if (number_ < 0) refuse(path, "opened");
  }
  ~Opened() {
    if (number_ >= 0) ::close(number_);
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  [[nodiscard]] int number() const noexcept { return number_; }
  int take() noexcept { return std::exchange(number_, -1); }

 private:
  int number_;
};

std::string text_in(int descriptor) {
  char text[64];
  const auto count = ::pread(descriptor, text, sizeof text, 0);
  return count > 0 ? std::string(text, static_cast<std::size_t>(count)) : std::string();
}

// The number in it; zero when it is empty, and less for what is no number.
std::int64_t process_in(const std::string& text) {
  if (text.empty()) return 0;
  std::int64_t process = 0;
  const auto* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, process);
  const bool whole = rest == end || (rest + 1 == end && *rest == '\n');
  return error == std::errc() && whole && process > 0 ? process : -1;
}

// Whoever held it before may have removed it between our opening and our lock.
bool is_still_there(int descriptor, const std::string& path) {
  struct stat ours {};
  struct stat there {};
  return ::fstat(descriptor, &ours) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

}  // namespace

PidFile::PidFile(std::string path) : path_(std::move(path)) {
  for (;;) {
    Opened file(path_);
    const int number = file.number();
    if (::flock(number, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) refuse(path_, "locked");
      const auto process = process_in(text_in(number));
      throw PidFileError("The pid file " + path_ + " is held by " +
                             (process > 0 ? "process " + std::to_string(process)
                                          : "a process that is only beginning") +
                             ", which runs; stop that one first, or choose another file.",
                         process > 0 ? process : 0);
    }
    if (!is_still_there(number, path_)) continue;
    if (process_in(text_in(number)) < 0) {
      throw PidFileError("The file " + path_ +
                         " holds something that is no pid; choose another file, or remove it.");
    }
    const auto text = std::to_string(::getpid()) + '\n';
    if (::ftruncate(number, 0) != 0 ||
        ::pwrite(number, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
      refuse(path_, "written");
    }
    descriptor_ = file.take();
    return;
  }
}

PidFile::~PidFile() {
  // Removed while it is locked, so that nobody locks one that is gone.
  const bool removed = is_still_there(descriptor_, path_) && ::unlink(path_.c_str()) == 0;
  if (!removed) {
    [[maybe_unused]] const auto emptied = ::ftruncate(descriptor_, 0);
  }
  ::close(descriptor_);
}

}  // namespace weft

#else

namespace weft {

PidFile::PidFile(std::string path) : path_(std::move(path)) {
  throw NotSupportedOnThisPlatform("There are no pid files here; leave " + path_ + " out.");
}

PidFile::~PidFile() = default;

}  // namespace weft

#endif
