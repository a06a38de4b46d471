#include "thread_naming.hpp"

#include "../../framework/thread_name.hpp"

#ifdef __linux__
#include <pthread.h>
#endif

namespace weft::detail {

namespace {

#ifdef __linux__
void name_by_system(const std::string& name) noexcept {
  ::pthread_setname_np(::pthread_self(), name.c_str());
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
