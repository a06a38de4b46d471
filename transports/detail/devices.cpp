#include "devices.hpp"

#include "../../framework/error.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <termios.h>
#include <utility>

namespace weft::detail {

namespace {

constexpr int quietly = O_NONBLOCK | O_CLOEXEC | O_NOCTTY;

std::error_code last_error() noexcept {
  return {errno, std::system_category()};
}

[[noreturn]] void refuse_to_open(const std::string& path, std::error_code error) {
  throw ConnectError(
      path + " cannot be opened: " + error.message() + "; check the path, and who may use it.", {},
      error);
}

using Rate = std::pair<std::uint32_t, speed_t>;
constexpr std::array rates{
    Rate{1'200, B1200},        Rate{2'400, B2400},        Rate{4'800, B4800},
    Rate{9'600, B9600},        Rate{19'200, B19200},      Rate{38'400, B38400},
    Rate{57'600, B57600},      Rate{115'200, B115200},    Rate{230'400, B230400},
    Rate{460'800, B460800},    Rate{500'000, B500000},    Rate{576'000, B576000},
    Rate{921'600, B921600},    Rate{1'000'000, B1000000}, Rate{1'152'000, B1152000},
    Rate{1'500'000, B1500000}, Rate{2'000'000, B2000000}, Rate{2'500'000, B2500000},
    Rate{3'000'000, B3000000}, Rate{3'500'000, B3500000}, Rate{4'000'000, B4000000}};

speed_t speed_of(std::uint32_t baud_rate) {
  const auto* const found = std::find_if(rates.begin(), rates.end(), [baud_rate](const Rate& rate) {
    return rate.first == baud_rate;
  });
  if (found == rates.end()) {
    throw InvalidArgument(std::to_string(baud_rate) +
                          " is no standard rate of serial ports; give one such as 9600 or 115200.");
  }
  return found->second;
}

// The bits of c_cflag that the options stand for.
constexpr tcflag_t frame_bits = CSIZE | PARENB | PARODD | CSTOPB | CRTSCTS;

tcflag_t frame_of(const SerialOptions& options) {
  if (options.data_bits < 5 || options.data_bits > 8) {
    throw InvalidArgument("A serial port has 5 to 8 data bits, not " +
                          std::to_string(options.data_bits) + ".");
  }
  if (options.stop_bits != 1 && options.stop_bits != 2) {
    throw InvalidArgument("A serial port has 1 or 2 stop bits, not " +
                          std::to_string(options.stop_bits) + ".");
  }
  constexpr std::array<tcflag_t, 4> sizes{CS5, CS6, CS7, CS8};
  tcflag_t frame = sizes[static_cast<std::size_t>(options.data_bits - 5)];
  if (options.parity != SerialOptions::Parity::none) frame |= PARENB;
  if (options.parity == SerialOptions::Parity::odd) frame |= PARODD;
  if (options.stop_bits == 2) frame |= CSTOPB;
  if (options.flow_control == SerialOptions::FlowControl::hardware) frame |= CRTSCTS;
  return frame;
}

}  // namespace

OwnedDescriptor open_fifo_end(const std::string& path, FifoEnd end) {
  // Who has the writing end as well never sees the end of the last writer.
  const int how = end == FifoEnd::writer ? O_WRONLY : end == FifoEnd::reader ? O_RDONLY : O_RDWR;
  struct stat status {};
  // Before it is opened: to open a device may do something.
  if (::stat(path.c_str(), &status) != 0) refuse_to_open(path, last_error());
  if (!S_ISFIFO(status.st_mode)) {
    throw InvalidArgument(path + " is no FIFO; make one with mkfifo, or choose another path.");
  }
  OwnedDescriptor fifo(::open(path.c_str(), how | quietly));
  if (!fifo.open() && errno == ENXIO) {
    throw ConnectionRefused("Nobody reads from " + path + "; start the reader first.", {},
                            last_error());
  }
  if (!fifo.open()) refuse_to_open(path, last_error());
  return fifo;
}

OwnedDescriptor open_serial_port(const std::string& path, const SerialOptions& options) {
  const auto speed = speed_of(options.baud_rate);
  const auto frame = frame_of(options);
  OwnedDescriptor port(::open(path.c_str(), O_RDWR | quietly));
  if (!port.open()) refuse_to_open(path, last_error());
  termios settings{};
  if (::tcgetattr(port.get(), &settings) != 0) {
    throw InvalidArgument(path + " is no serial port: " + last_error().message() + ".", {},
                          last_error());
  }
  ::cfmakeraw(&settings);
  settings.c_iflag &= ~static_cast<tcflag_t>(IXON | IXOFF | IXANY | INPCK);
  if (options.flow_control == SerialOptions::FlowControl::software)
    settings.c_iflag |= IXON | IXOFF;
  if (options.parity != SerialOptions::Parity::none) settings.c_iflag |= INPCK;
  // The modem's lines say nothing of the device.
  settings.c_cflag = (settings.c_cflag & ~frame_bits) | frame | CLOCAL | CREAD;
  settings.c_cc[VMIN] = 1;
  settings.c_cc[VTIME] = 0;
  ::cfsetispeed(&settings, speed);
  ::cfsetospeed(&settings, speed);
  // It succeeds when it could do any of this, so one has to look.
  termios now{};
  if (::tcsetattr(port.get(), TCSANOW, &settings) != 0 || ::tcgetattr(port.get(), &now) != 0) {
    refuse_to_open(path, last_error());
  }
  if ((now.c_cflag & frame_bits) != frame || ::cfgetospeed(&now) != speed) {
    throw InvalidArgument(path +
                          " does not have the rate, bits, parity or flow control that were "
                          "asked for; ask for others.");
  }
  ::tcflush(port.get(), TCIFLUSH);
  return port;
}

}  // namespace weft::detail
