#include "descriptor_passing.hpp"

#include "../../framework/error.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <limits>
#include <string>
#include <sys/uio.h>

namespace weft::detail {

namespace {

struct alignas(cmsghdr) ControlRoom {
  char bytes[CMSG_SPACE(max_passed_descriptors * sizeof(int))];
};

}  // namespace

// ---- going out

void OutgoingDescriptors::add(int descriptor, std::uint64_t position) {
  if (waiting_.size() == max_passed_descriptors) {
    throw QueueOverflow("At most " + std::to_string(max_passed_descriptors) +
                        " descriptors may wait to be passed; write bytes behind them, and wait "
                        "until those have gone out.");
  }
  OwnedDescriptor copy(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  if (!copy.open()) {
    const std::error_code error(errno, std::system_category());
    const auto text =
        "Descriptor " + std::to_string(descriptor) + " cannot be passed: " + error.message() + ".";
    if (error == std::errc::bad_file_descriptor) throw InvalidArgument(text, {}, error);
    throw Error(text, {}, error);
  }
  waiting_.push_back({std::move(copy), position});
}

std::size_t OutgoingDescriptors::bytes_from(std::uint64_t position) const noexcept {
  for (const auto& each : waiting_) {
    if (each.position > position) return static_cast<std::size_t>(each.position - position);
  }
  return std::numeric_limits<std::size_t>::max();
}

ssize_t OutgoingDescriptors::send(int socket, std::span<iovec> pieces,
                                  std::uint64_t position) noexcept {
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  std::array<int, max_passed_descriptors> due;
  std::size_t count = 0;
  for (const auto& each : waiting_) {
    if (each.position > position) break;
    due[count++] = each.descriptor.get();
  }
  ControlRoom control;
  if (count > 0) {
    const auto size = count * sizeof(int);
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(size);
    std::memset(control.bytes, 0, message.msg_controllen);
    auto* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(header), due.data(), size);
  }
  const auto sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  if (sent > 0) waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<long>(count));
  return sent;
}

// ---- coming in

IncomingDescriptors::~IncomingDescriptors() {
  while (!empty())
    ::close(take());
}

ssize_t IncomingDescriptors::receive(int socket, std::span<char> room) noexcept {
  iovec piece{room.data(), room.size()};
  ControlRoom control;
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  const auto received = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (received < 0) return received;
  incomplete_ = (message.msg_flags & MSG_CTRUNC) != 0;
  for (auto* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const auto count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::memcpy(descriptors_.data() + count_, CMSG_DATA(header), count * sizeof(int));
    count_ += count;
  }
  return received;
}

}  // namespace weft::detail
