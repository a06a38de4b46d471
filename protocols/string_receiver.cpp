#include "string_receiver.hpp"

#include "../framework/error.hpp"
#include "../framework/transport.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace weft {

void StringReceiver::string_length_exceeded(std::size_t size) {
  throw FrameTooLong("The peer " + transport().peer().text() + " announced a string of " +
                         std::to_string(size) + " bytes or more, of " +
                         std::to_string(max_string_bytes_) + " allowed.",
                     transport().peer());
}

void StringReceiver::refuse(std::size_t size) {
  string_length_exceeded(size);
  transport().lose_connection();
}

IntStringReceiver::IntStringReceiver(std::size_t prefix_bytes, std::size_t max_string_bytes)
    : StringReceiver(max_string_bytes), prefix_bytes_(prefix_bytes) {}

void IntStringReceiver::send_string(BytesView string) {
  std::array<char, 4> prefix{};
  auto rest = string.size();
  for (auto at = prefix_bytes_; at > 0; --at) {
    prefix[at - 1] = static_cast<char>(static_cast<unsigned char>(rest & 0xff));
    rest >>= 8;
  }
  if (rest != 0) {
    throw FrameTooLong("A string of " + std::to_string(string.size()) +
                       " bytes is too long for a length of " + std::to_string(prefix_bytes_) +
                       " bytes.");
  }
  const std::array<BytesView, 2> pieces = {BytesView(prefix.data(), prefix_bytes_), string};
  transport().write_sequence(pieces);
}

std::size_t IntStringReceiver::take_frame(BytesView data) {
  if (data.size() < prefix_bytes_) return 0;
  std::size_t size = 0;
  for (const char digit : data.first(prefix_bytes_).text()) {
    size = size << 8 | static_cast<unsigned char>(digit);
  }
  if (size > max_string_bytes()) {
    refuse(size);
    return 0;
  }
  if (data.size() - prefix_bytes_ < size) return 0;
  string_received(data.from(prefix_bytes_).first(size));
  return prefix_bytes_ + size;
}

void NetstringReceiver::send_string(BytesView string) {
  const auto prefix = std::to_string(string.size()) + ":";
  const std::array<BytesView, 3> pieces = {prefix, string, ","};
  transport().write_sequence(pieces);
}

std::size_t NetstringReceiver::take_frame(BytesView data) {
  const auto text = data.text();
  const auto malformed = [this] {
    return ProtocolError("The peer " + transport().peer().text() + " sent no netstring.",
                         transport().peer());
  };
  std::size_t size = 0;
  std::size_t at = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    if (at == 1 && text[0] == '0') throw malformed();
    const auto digit = static_cast<std::size_t>(text[at] - '0');
    // Looked at before the digit is added, so that no length can overflow.
    if (digit > max_string_bytes() || size > (max_string_bytes() - digit) / 10) {
      refuse(size > SIZE_MAX / 10 - 1 ? SIZE_MAX : size * 10 + digit);
      return 0;
    }
    size = size * 10 + digit;
  }
  if (at == text.size()) return 0;
  if (at == 0 || text[at] != ':') throw malformed();
  const auto content = data.from(at + 1);
  if (content.size() <= size) return 0;
  if (content.text()[size] != ',') throw malformed();
  string_received(content.first(size));
  return at + 1 + size + 1;
}

}  // namespace weft
