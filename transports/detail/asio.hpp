// Asio under a name of its own for each backend, so that several live in one program beside the
// application's own Asio.
#pragma once

// Asio chooses its backend by macros; one namespace for two choices would break the one-definition
// rule.
#if defined(WEFT_BACKEND_EPOLL)
#define asio weft_asio_epoll
#elif defined(WEFT_BACKEND_SELECT)
#define asio weft_asio_select
#define BOOST_ASIO_DISABLE_EPOLL 1
#define BOOST_ASIO_DISABLE_KQUEUE 1
#define BOOST_ASIO_DISABLE_DEV_POLL 1
#define BOOST_ASIO_DISABLE_IOCP 1
#elif defined(WEFT_BACKEND_IO_URING)
#define asio weft_asio_io_uring
#define BOOST_ASIO_HAS_IO_URING 1
#define BOOST_ASIO_DISABLE_EPOLL 1

#include <liburing.h>

// Since 2.2 liburing leaves in a request whose it was the last time round the ring, and Asio 1.81
// gives its cancellations to nobody by saying nothing: their results would go to a stranger.
inline io_uring_sqe* weft_io_uring_get_sqe(io_uring* ring) noexcept {
  auto* const request = io_uring_get_sqe(ring);
  if (request != nullptr) request->user_data = 0;
  return request;
}
#define io_uring_get_sqe weft_io_uring_get_sqe
#elif defined(WEFT_BACKEND_IOCP)
#define asio weft_asio_iocp
#else
#error "compile this once for each backend: see weft_backend_sources in cmake/"
#endif

#include "../../framework/address.hpp"
#include "socket_address.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <system_error>

namespace weft::detail::WEFT_BACKEND {

namespace net = boost::asio;
using Tcp = net::ip::tcp;
using ErrorCode = boost::system::error_code;

inline Address to_address(const Tcp::endpoint& endpoint) {
  return detail::to_address(endpoint.data(), endpoint.size());
}

inline Tcp::endpoint to_endpoint(const Address& address) {
  if (address.family() == Address::Family::ipv4) {
    const auto& octets = address.octets();
    return {net::ip::address_v4({octets[0], octets[1], octets[2], octets[3]}), address.port()};
  }
  return {net::ip::address_v6(address.octets(), address.scope_id()), address.port()};
}

inline std::error_code to_std(const ErrorCode& error) {
  return error;
}

}  // namespace weft::detail::WEFT_BACKEND
