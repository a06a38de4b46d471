#include "error.hpp"

namespace weft {

ConnectionDone::ConnectionDone(const Address& peer)
    : Error("The connection with " + peer.text() + " was closed in order.", peer) {}

CancelledError::CancelledError() : Error("The operation was cancelled by whoever waited for it.") {}

}  // namespace weft
