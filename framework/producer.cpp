#include "producer.hpp"

namespace weft {

Producer::~Producer() = default;

}  // namespace weft
