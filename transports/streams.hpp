// Connections over descriptors: those that are there already, such as sockets, pipes and standard
// input and output; and FIFOs and serial ports, by their paths. On Windows a descriptor is a handle
// that was opened for overlapped I/O, such as a named pipe's, or, for `adopt_stream`, a connected
// SOCKET; nobody else may use it meanwhile, and the reactor must be "iocp".
#pragma once

#include "../framework/protocol.hpp"
#include "../framework/reactor.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace weft {

/// Gives `protocol` a connection over `descriptor`, which is a connected socket or a terminal. The
/// descriptor is the connection's from now on, and closed with it; it does not block meanwhile.
/// `connection_made` is called before this returns. What the loop cannot watch, such as a file on
/// epoll, loses the connection with InvalidArgument. Errors: InvalidArgument when it is no
/// descriptor, or there is no protocol; NotSupportedOnThisPlatform, on Windows for a handle that is
/// not overlapped, and for a file or a console. It is closed then.
void adopt_stream(Reactor& reactor, Descriptor descriptor, std::shared_ptr<Protocol> protocol);
/// The same over two, such as the ends of two pipes: what `input` gives is received, and what is
/// written goes to `output`. Ending our direction closes `output`.
void adopt_pipes(Reactor& reactor, Descriptor input, Descriptor output,
                 std::shared_ptr<Protocol> protocol);
/// The same over one to read from, such as the reading end of a pipe: what is written is dropped.
void adopt_reader(Reactor& reactor, Descriptor input, std::shared_ptr<Protocol> protocol);
/// The same over one to write to: nothing is received, and the connection is lost when nobody reads
/// at the other end any more, on Windows up to a second later. Ending our direction ends the
/// connection.
void adopt_writer(Reactor& reactor, Descriptor output, std::shared_ptr<Protocol> protocol);
/// The same over standard input and output, or copies of them: closing the connection leaves the
/// program's own open, though input that was read is gone. On Windows both must be overlapped
/// pipes, which a parent has to make so, and can be used once.
void open_stdio(Reactor& reactor, std::shared_ptr<Protocol> protocol);

/// A port whose one connection is over standard input and output: has `factory` build a protocol
/// for it, and then listens no more. Errors: InvalidArgument when one of them is closed;
/// NotSupportedOnThisPlatform.
ListeningPort listen_stdio(Reactor& reactor, std::shared_ptr<Factory> factory);
/// Which end of a FIFO.
enum class FifoEnd : std::uint8_t {
  reader,          // as by `adopt_reader`; ends when the last writer has gone
  lasting_reader,  // the same, but waits for the next writer instead
  writer,          // as by `adopt_writer`; there must be a reader
};
/// Opens the FIFO at `path` (see mkfifo), and gives `protocol` a connection over it. Errors:
/// ConnectionRefused for a writer that nobody would read from; ConnectError when it cannot be
/// opened; InvalidArgument when it is no FIFO, or there is no protocol; NotSupportedOnThisPlatform.
void open_fifo(Reactor& reactor, const std::string& path, FifoEnd end,
               std::shared_ptr<Protocol> protocol);

/// How a serial port sends and receives; by default as most devices do, "115200 8N1".
struct SerialOptions {
  enum class Parity : std::uint8_t { none, even, odd };
  enum class FlowControl : std::uint8_t {
    none,
    hardware,  // by the RTS and CTS lines
    software,  // by the bytes XON and XOFF, which data must not hold then
  };

  SerialOptions() {}
  /// Bits a second, one of the standard rates.
  std::uint32_t baud_rate = 115'200;
  /// 5 to 8.
  int data_bits = 8;
  Parity parity = Parity::none;
  /// 1 or 2.
  int stop_bits = 1;
  FlowControl flow_control = FlowControl::none;
};
/// Opens the serial port at `path`, and gives `protocol` a connection over it: all bytes pass as
/// they are. What came before is discarded. The connection ends when the device is gone. Errors:
/// ConnectError when it cannot be opened; InvalidArgument for options that make no sense or that
/// the device does not have, when it is no terminal, or there is no protocol;
/// NotSupportedOnThisPlatform.
void open_serial(Reactor& reactor, const std::string& path, const SerialOptions& options,
                 std::shared_ptr<Protocol> protocol);

}  // namespace weft
