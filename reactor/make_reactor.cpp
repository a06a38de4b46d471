#include "make_reactor.hpp"

#include "../framework/error.hpp"
#include "detail/backends.hpp"
#include "detail/thread_naming.hpp"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <utility>

namespace weft {

namespace {

struct Entry {
  std::string name;
  ReactorMaker maker;
};

struct Registry {
  std::mutex mutex;
  // The best for the platform stands first. io_uring is no faster for small messages, and some
  // containers forbid it.
  std::vector<Entry> entries{
#ifdef WEFT_WITH_EPOLL
      {"epoll", &detail::epoll::make_asio_reactor},
#endif
#ifdef WEFT_WITH_IOCP
      {"iocp", &detail::iocp::make_asio_reactor},
#endif
#ifdef WEFT_WITH_IO_URING
      {"io_uring", &detail::io_uring::make_asio_reactor},
#endif
#ifdef WEFT_WITH_SELECT
      {"select", &detail::select::make_asio_reactor},
#endif
  };
};

Registry& registry() {
  static Registry known;
  return known;
}

std::string wanted_name(std::string_view name) {
  if (!name.empty()) return std::string(name);
  const char* const from_environment = std::getenv("WEFT_REACTOR");
  if (from_environment != nullptr && *from_environment != '\0') return from_environment;
  return registry().entries.front().name;
}

ReactorMaker find(const std::string& name) {
  const std::lock_guard lock(registry().mutex);
  for (const auto& entry : registry().entries) {
    if (entry.name == name) return entry.maker;
  }
  return nullptr;
}

}  // namespace

std::vector<std::string> reactor_names() {
  const std::lock_guard lock(registry().mutex);
  std::vector<std::string> names;
  for (const auto& entry : registry().entries)
    names.push_back(entry.name);
  return names;
}

void register_reactor(std::string name, ReactorMaker maker) {
  if (name.empty() || !maker)
    throw InvalidArgument("A reactor is registered by a name and a maker.");
  if (find(name)) throw InvalidArgument("A reactor called " + name + " is known already.");
  const std::lock_guard lock(registry().mutex);
  registry().entries.push_back({std::move(name), std::move(maker)});
}

std::unique_ptr<Reactor> make_reactor(std::string_view name) {
  detail::name_threads();
  const auto wanted = wanted_name(name);
  if (const auto maker = find(wanted)) return maker();
  std::string known;
  for (const auto& one : reactor_names())
    known += (known.empty() ? "" : ", ") + one;
  throw InvalidArgument("There is no reactor called \"" + wanted + "\" here; choose one of " +
                        known + ".");
}

}  // namespace weft
