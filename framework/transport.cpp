#include "transport.hpp"

namespace weft {

Transport::~Transport() = default;

}  // namespace weft
