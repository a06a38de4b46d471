#include "protocol.hpp"

#include "error.hpp"
#include "transport.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weft {

Protocol::Protocol() = default;

Protocol::~Protocol() = default;

void Protocol::eof_received() {
  transport().lose_connection();
}

void Protocol::connection_lost(const Failure&) {}

void Protocol::make_connection(std::shared_ptr<Transport> transport) {
  transport_ = std::move(transport);
  connection_made();
}

void Protocol::change_transport(std::shared_ptr<Transport> transport) {
  transport_ = std::move(transport);
}

std::string Protocol::take_undelivered() {
  return {};
}

void Protocol::refuse_unconnected() {
  throw NotConnectedError(
      "This protocol has no transport yet; use it in or after connection_made.");
}

void BufferedProtocol::data_received(BytesView data) {
  while (!data.empty()) {
    const auto room = buffer(data.size());
    if (room.empty()) {
      throw InvalidArgument(
          "BufferedProtocol::buffer lent no memory to read into; lend at least one byte.");
    }
    const auto taken = std::min(room.size(), data.size());
    std::memcpy(room.data(), data.data(), taken);
    data = data.from(taken);
    buffer_updated(taken);
  }
}

}  // namespace weft
