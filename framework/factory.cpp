#include "factory.hpp"

namespace weft {

Factory::Factory() = default;

Factory::~Factory() = default;

void Factory::add_user() {
  // Counted after the call, so that a factory that failed to start is started again by the next.
  if (users_ == 0) start_factory();
  ++users_;
}

void Factory::remove_user() {
  if (users_ == 0) return;
  if (--users_ == 0) stop_factory();
}

}  // namespace weft
