#include "tls.hpp"

#include <utility>

namespace weft {

Pem Pem::file(std::string path) {
  Pem pem;
  pem.value_ = std::move(path);
  pem.is_file_ = true;
  return pem;
}

Pem Pem::text(std::string content) {
  Pem pem;
  pem.value_ = std::move(content);
  return pem;
}

}  // namespace weft
