// What a TCP port that cannot be opened is refused with.
#pragma once

#include "../../framework/error.hpp"

#include <string>
#include <system_error>

namespace weft::detail {

/// Errors: AddressInUse where `code` says so, else ListenError.
[[noreturn]] inline void refuse_port(const std::string& where, std::error_code code) {
  if (code == std::errc::address_in_use) {
    throw AddressInUse("Somebody listens on " + where +
                           " already; stop them, choose another port, or 0 for a free one.",
                       {}, code);
  }
  throw ListenError("Listening on " + where + " failed: " + code.message() +
                        "; check the address, and that this user may use the port.",
                    {}, code);
}

}  // namespace weft::detail
