#include "../../framework/context.hpp"
#include "../../framework/error.hpp"
#include "../../framework/failure.hpp"
#include "../worker_function.hpp"
#include "worker_messages.hpp"
#include "worker_registry.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <new>
#include <poll.h>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace weft {

namespace detail {

namespace {

constexpr int exit_forsaken = 1;
constexpr int exit_misused = 2;
// Two of them fit beside whatever a message may have.
constexpr std::size_t max_said_bytes = max_envelope_bytes / 4;

std::atomic<bool> is_worker{false};
// A call runs.
std::atomic<bool> busy{false};

/// False when the pool is gone.
bool read_all(char* to, std::size_t size) {
  while (size > 0) {
    const auto got = ::recv(worker_descriptor, to, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

bool write_all(const std::string& frame) {
  for (std::size_t sent = 0; sent < frame.size();) {
    const auto got =
        ::send(worker_descriptor, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    sent += static_cast<std::size_t>(got);
  }
  return true;
}

std::optional<std::string> read_frame() {
  std::string frame(frame_length_bytes, '\0');
  if (!read_all(frame.data(), frame.size())) return std::nullopt;
  frame.resize(frame_length(frame));
  if (!read_all(frame.data(), frame.size())) return std::nullopt;
  return frame;
}

/// While it lives, the process may take that much more address space.
class MemoryLimit {
 public:
  explicit MemoryLimit(std::uint64_t bytes) {
    if (bytes == 0 || ::getrlimit(RLIMIT_AS, &before_) != 0) return;
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    auto limit = before_;
    limit.rlim_cur = std::min<rlim_t>(
        pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) + bytes, before_.rlim_max);
    limited_ = ::setrlimit(RLIMIT_AS, &limit) == 0;
  }
  ~MemoryLimit() {
    if (limited_) ::setrlimit(RLIMIT_AS, &before_);
  }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  rlimit before_{};
  bool limited_ = false;
};

WorkerFailure describe(std::uint64_t call, const Failure& failure) {
  const bool memory = failure.check<std::bad_alloc>() != nullptr;
  return {call, memory ? WorkerFailure::Kind::out_of_memory : WorkerFailure::Kind::threw,
          failure.type_name().substr(0, max_said_bytes),
          failure.message().substr(0, max_said_bytes)};
}

FromWorker answer(WorkerCall& call, std::uint64_t max_message_bytes) {
  using Kind = WorkerFailure::Kind;
  auto* const function = registered_function(call.function);
  if (function == nullptr) return WorkerFailure{call.call, Kind::unknown_function, {}, {}};
  std::optional<Failure> thrown;
  try {
    const MemoryLimit limit(call.max_memory_bytes);
    auto value =
        Context::from_transferable(call.context).run([&] { return (*function)(call.arguments); });
    if (value.size() <= max_message_bytes) return WorkerResult{call.call, std::move(value)};
    return WorkerFailure{call.call, Kind::too_long, {}, std::to_string(value.size())};
  } catch (...) {
    thrown = Failure::current();
  }
  // Told with all the memory there is.
  return describe(call.call, *thrown);
}

/// A call does not go on when nobody waits for it: not even SIGKILL keeps our end from hearing.
void end_when_forsaken() {
  std::thread([] {
    pollfd way{worker_descriptor, POLLRDHUP, 0};
    while (::poll(&way, 1, -1) < 0 && errno == EINTR) {
    }
    for (;;) {
      if (busy) ::_exit(exit_forsaken);
      // It ends by itself, or has just begun a call.
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }).detach();
}

int serve() {
  if (!write_all(framed(FromWorker(WorkerHello{worker_protocol_version, registered_functions()}))))
    return exit_forsaken;
  WorkerSetup setup;
  while (const auto frame = read_frame()) {
    auto message = parse_to_worker(*frame);
    if (const auto* const given = std::get_if<WorkerSetup>(&message)) {
      setup = *given;
      continue;
    }
    busy = true;
    const auto told = answer(std::get<WorkerCall>(message), setup.max_message_bytes);
    const bool sent = write_all(framed(told));
    busy = false;
    if (!sent) break;
  }
  return 0;
}

bool talks_with_a_pool() noexcept {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(worker_descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

}  // namespace

WorkerRole worker_role() {
  if (is_worker) return WorkerRole::worker;
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string last;
  for (std::string each; std::getline(file, each, '\0');)
    last = each;
  return last == worker_argument ? WorkerRole::forgetful : WorkerRole::none;
}

}  // namespace detail

std::optional<int> run_worker(int argc, char** argv) {
  if (argc < 2 || argv[argc - 1] != detail::worker_argument) return std::nullopt;
  detail::is_worker = true;
  if (!detail::talks_with_a_pool()) {
    std::fputs("--weft-worker is for processes that a pool of this program starts.\n", stderr);
    return detail::exit_misused;
  }
  // The children of functions have no part in this.
  ::fcntl(detail::worker_descriptor, F_SETFD, FD_CLOEXEC);
  ::prctl(PR_SET_NAME, "weft-worker");
  try {
    detail::end_when_forsaken();
    return detail::serve();
  } catch (...) {
    std::fprintf(stderr, "The worker gives up: %s\n", Failure::current().message().c_str());
    return detail::exit_forsaken;
  }
}

}  // namespace weft
