#include "thread_cores.hpp"

#include "../../framework/error.hpp"
#include "../reactor_pool.hpp"

#include <system_error>

#ifdef __linux__
#include <pthread.h>
#include <sched.h>
#endif

namespace weft {

namespace {

#ifdef __linux__

void bind(pthread_t thread, const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  int code = 0;
  for (const int core : cores) {
    if (core < 0 || core >= CPU_SETSIZE) code = EINVAL;
    if (code == 0) CPU_SET(static_cast<std::size_t>(core), &set);
  }
  if (code == 0) code = ::pthread_setaffinity_np(thread, sizeof set, &set);
  if (code == 0) return;
  throw AffinityError("A thread cannot be bound to core " + std::to_string(cores.front()) +
                          "; usable_cores() tells those that this program may use.",
                      {}, std::error_code(code, std::system_category()));
}

#endif

}  // namespace

std::vector<int> usable_cores() {
  std::vector<int> cores;
#ifdef __linux__
  cpu_set_t set;
  if (::pthread_getaffinity_np(::pthread_self(), sizeof set, &set) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(static_cast<std::size_t>(core), &set)) cores.push_back(core);
  }
#endif
  return cores;
}

namespace detail {

#ifdef __linux__

void bind_thread(std::thread::native_handle_type thread, int core) {
  bind(thread, {core});
}

BoundHere::BoundHere(int core) : before_(usable_cores()) {
  bind(::pthread_self(), {core});
}

BoundHere::~BoundHere() {
  try {
    if (!before_.empty()) bind(::pthread_self(), before_);
  } catch (...) {
    // Somebody has taken those cores away meanwhile; the thread stays where it is.
    return;
  }
}

#else

void bind_thread(std::thread::native_handle_type, int) {
  throw NotSupportedOnThisPlatform(
      "Threads are bound to cores on Linux only; leave ReactorPoolOptions::cores empty.");
}

BoundHere::BoundHere(int core) {
  bind_thread({}, core);
}

BoundHere::~BoundHere() = default;

#endif

}  // namespace detail
}  // namespace weft
