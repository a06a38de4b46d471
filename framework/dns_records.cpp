#include "dns_records.hpp"

namespace weft {

std::string TxtRecord::text() const {
  std::string all;
  for (const auto& each : strings)
    all += each;
  return all;
}

}  // namespace weft
