#include "thread_naming.hpp"

#include "../../framework/thread_name.hpp"

#ifdef __linux__
#include <cstddef>
#include <pthread.h>
#endif

namespace weft::detail {

namespace {

#ifdef __linux__
// What the system keeps of a name.
constexpr std::size_t max_name = 15;

void name_by_system(const std::string& name) noexcept {
  char kept[max_name + 1] = {};
  name.copy(kept, max_name);
  ::pthread_setname_np(::pthread_self(), kept);
}
#endif

bool offer_names() noexcept {
#ifdef __linux__
  if (const auto before = set_thread_namer(&name_by_system)) set_thread_namer(before);
#endif
  return true;
}

}  // namespace

void name_threads() noexcept {
  static const bool offered = offer_names();
  static_cast<void>(offered);
}

}  // namespace weft::detail
