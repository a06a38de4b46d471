// A peer of a test that no loop runs.
#pragma once

#include "../../framework/address.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <cstddef>
#include <netinet/in.h>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace weft {

/// Connected from the beginning; its deeds come between two rounds. What it writes, and reads a
/// byte of, is not among the calls that are counted.
class PlainPeer {
 public:
  explicit PlainPeer(Port port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~PlainPeer() { ::close(socket_); }
  PlainPeer(const PlainPeer&) = delete;
  PlainPeer& operator=(const PlainPeer&) = delete;

  void write(std::string_view text) const {
    EXPECT_EQ(::write(socket_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  [[nodiscard]] bool read_byte() const {
    char byte = 0;
    return ::read(socket_, &byte, 1) == 1;
  }
  /// All that is there now; says how much it was.
  std::size_t take() const {
    std::vector<char> room(1 << 20);
    std::size_t taken = 0;
    for (;;) {
      const auto count = ::recv(socket_, room.data(), room.size(), MSG_DONTWAIT);
      if (count <= 0) return taken;
      taken += static_cast<std::size_t>(count);
    }
  }

 private:
  int socket_;
};

}  // namespace weft
