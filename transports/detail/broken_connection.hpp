// Why a socket's connection is gone, from what the system said.
#pragma once

#include "../../framework/address.hpp"
#include "../../framework/error.hpp"
#include "../../framework/failure.hpp"

#include <system_error>

namespace weft::detail {

/// ConnectionReset where the peer did it, ConnectionLost otherwise.
inline Failure broken_connection(const Address& peer, std::error_code error) {
  const auto with = "The connection with " + peer.text();
  if (error == std::errc::connection_reset) {
    return Failure(ConnectionReset(with + " was reset by the peer.", peer, error));
  }
  return Failure(ConnectionLost(with + " broke: " + error.message() + ".", peer, error));
}

}  // namespace weft::detail
