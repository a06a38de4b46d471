#include "thread_name.hpp"

#include <atomic>

namespace weft {

namespace {

std::atomic<ThreadNamer> current_namer{nullptr};

}  // namespace

ThreadNamer set_thread_namer(ThreadNamer namer) noexcept {
  return current_namer.exchange(namer);
}

void name_this_thread(const std::string& name) noexcept {
  if (const auto namer = current_namer.load()) namer(name);
}

}  // namespace weft
