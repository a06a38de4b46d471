#include "streams.hpp"

#include "../framework/error.hpp"

#if defined(__linux__) || defined(_WIN32)

#include "../framework/listener.hpp"
#include "../framework/stream_transport.hpp"

#include <string>
#include <system_error>
#include <utility>

#ifdef __linux__
#include "detail/descriptor_transport.hpp"
#include "detail/devices.hpp"
#include "detail/socket_address.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#else
#include "detail/handle_carrier.hpp"
#endif

namespace weft {

namespace {

void begin(const std::shared_ptr<StreamTransport>& transport, std::shared_ptr<Protocol> protocol) {
  if (protocol == nullptr) {
    throw InvalidArgument("A connection was given no protocol, so nobody would talk; pass one.");
  }
  transport->establish(std::move(protocol));
}

// Listens until it has given out the one connection that there is.
class StdioPort final : public Listener {
 public:
  StdioPort(Clock& clock, std::shared_ptr<Factory> factory) : Listener(clock, std::move(factory)) {}

  void open(std::shared_ptr<StreamTransport> transport) {
    transport_ = std::move(transport);
    opened({});
    // Nobody is told of a connection inside the call that listens.
    connect_ = clock().call_later(Duration::zero(), [this] { accept_again(); });
  }

 private:
  void hold_port() noexcept override { connect_.cancel_if_active(); }
  void accept_again() noexcept override {
    if (transport_ == nullptr) return;
    accepted(std::exchange(transport_, nullptr));
    stop();
  }
  void close_port() noexcept override {
    connect_.cancel_if_active();
    transport_.reset();
  }

  std::shared_ptr<StreamTransport> transport_;
  DelayedCall connect_;
};

#ifdef __linux__

using detail::DescriptorTransport;
using detail::OwnedDescriptor;
using detail::UsedDescriptor;

// Takes what can carry a stream: a socket that keeps messages apart would lose what does not fit in
// one read.
OwnedDescriptor stream_over(Descriptor descriptor) {
  OwnedDescriptor owned(static_cast<int>(descriptor));
  int kind = SOCK_STREAM;
  socklen_t size = sizeof kind;
  // What is no socket leaves it as it is.
  ::getsockopt(owned.get(), SOL_SOCKET, SO_TYPE, &kind, &size);
  if (kind == SOCK_STREAM) return owned;
  throw InvalidArgument("Descriptor " + std::to_string(owned.get()) +
                        " is a socket of messages, not of a stream; pass one that was made with "
                        "SOCK_STREAM.");
}

void read_from(Reactor& reactor, UsedDescriptor input, std::shared_ptr<Protocol> protocol) {
  const auto transport =
      std::make_shared<DescriptorTransport>(reactor, std::move(input), UsedDescriptor());
  transport->lose_write_connection();
  begin(transport, std::move(protocol));
}

void write_to(Reactor& reactor, UsedDescriptor output, std::shared_ptr<Protocol> protocol) {
  begin(std::make_shared<DescriptorTransport>(reactor, UsedDescriptor(), std::move(output)),
        std::move(protocol));
}

OwnedDescriptor copy_of(int descriptor) {
  OwnedDescriptor copy(::fcntl(descriptor, F_DUPFD_CLOEXEC, 3));
  if (copy.open()) return copy;
  const std::error_code error(errno, std::system_category());
  throw InvalidArgument(
      "Descriptor " + std::to_string(descriptor) + ", which is this program's standard " +
          (descriptor == STDIN_FILENO ? "input" : "output") +
          ", cannot be copied: " + error.message() + "; run the program with it open.",
      {}, error);
}

std::shared_ptr<DescriptorTransport> pair_transport(Reactor& reactor, OwnedDescriptor in,
                                                    OwnedDescriptor out) {
  UsedDescriptor input(std::move(in));
  UsedDescriptor output(std::move(out), input);
  return std::make_shared<DescriptorTransport>(reactor, std::move(input), std::move(output));
}

std::shared_ptr<DescriptorTransport> stdio_transport(Reactor& reactor) {
  auto in = copy_of(STDIN_FILENO);
  auto out = copy_of(STDOUT_FILENO);
  return pair_transport(reactor, std::move(in), std::move(out));
}

}  // namespace

void adopt_stream(Reactor& reactor, Descriptor descriptor, std::shared_ptr<Protocol> protocol) {
  UsedDescriptor used(stream_over(descriptor));
  auto host = detail::address_of(::getsockname, used.get());
  auto peer = detail::address_of(::getpeername, used.get());
  begin(std::make_shared<DescriptorTransport>(reactor, std::move(used), std::move(host),
                                              std::move(peer)),
        std::move(protocol));
}

void adopt_pipes(Reactor& reactor, Descriptor input, Descriptor output,
                 std::shared_ptr<Protocol> protocol) {
  OwnedDescriptor closed_on_error(static_cast<int>(output));
  auto in = stream_over(input);
  begin(pair_transport(reactor, std::move(in), stream_over(closed_on_error.release())),
        std::move(protocol));
}

void adopt_reader(Reactor& reactor, Descriptor input, std::shared_ptr<Protocol> protocol) {
  read_from(reactor, UsedDescriptor(stream_over(input)), std::move(protocol));
}

void adopt_writer(Reactor& reactor, Descriptor output, std::shared_ptr<Protocol> protocol) {
  write_to(reactor, UsedDescriptor(stream_over(output)), std::move(protocol));
}

void open_fifo(Reactor& reactor, const std::string& path, FifoEnd end,
               std::shared_ptr<Protocol> protocol) {
  UsedDescriptor fifo(detail::open_fifo_end(path, end));
  end == FifoEnd::writer ? write_to(reactor, std::move(fifo), std::move(protocol))
                         : read_from(reactor, std::move(fifo), std::move(protocol));
}

void open_serial(Reactor& reactor, const std::string& path, const SerialOptions& options,
                 std::shared_ptr<Protocol> protocol) {
  UsedDescriptor port(detail::open_serial_port(path, options));
  begin(std::make_shared<DescriptorTransport>(reactor, std::move(port), Address(), Address()),
        std::move(protocol));
}

#else

using detail::OwnedHandle;
using detail::OwnedSocket;

OwnedHandle handle_in(Descriptor descriptor) {
  return OwnedHandle(reinterpret_cast<HANDLE>(descriptor));
}

bool is_socket(Descriptor descriptor) {
  int kind = 0;
  int size = sizeof kind;
  return ::getsockopt(static_cast<SOCKET>(descriptor), SOL_SOCKET, SO_TYPE,
                      reinterpret_cast<char*>(&kind), &size) == 0;
}

// One of two, or the only one; the reactor closes sockets in another way.
OwnedHandle one_way(Descriptor descriptor) {
  if (descriptor == 0 || descriptor == -1) {
    throw InvalidArgument("A connection was given no handle; pass one that is open.");
  }
  if (!is_socket(descriptor)) return handle_in(descriptor);
  const OwnedSocket closed_on_error(static_cast<SOCKET>(descriptor));
  throw InvalidArgument("Handle " + std::to_string(descriptor) +
                        " is a socket, which serves both directions; use adopt_stream.");
}

std::shared_ptr<StreamTransport> pair_transport(Reactor& reactor, OwnedHandle in, OwnedHandle out) {
  return detail::iocp::over_handles(detail::iocp_loop_of(reactor), std::move(in), std::move(out));
}

OwnedHandle copy_of(DWORD which) {
  const auto original = ::GetStdHandle(which);
  HANDLE copy = nullptr;
  const auto us = ::GetCurrentProcess();
  if (original != nullptr &&
      ::DuplicateHandle(us, original, us, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS) != 0) {
    return OwnedHandle(copy);
  }
  const std::error_code error(static_cast<int>(::GetLastError()), std::system_category());
  throw InvalidArgument(std::string("This program's standard ") +
                            (which == STD_INPUT_HANDLE ? "input" : "output") +
                            " cannot be copied; run the program with it open.",
                        {}, error);
}

std::shared_ptr<StreamTransport> stdio_transport(Reactor& reactor) {
  auto in = copy_of(STD_INPUT_HANDLE);
  auto out = copy_of(STD_OUTPUT_HANDLE);
  return pair_transport(reactor, std::move(in), std::move(out));
}

[[noreturn]] void refuse_device(const std::string& what) {
  throw NotSupportedOnThisPlatform("The reactors cannot open " + what +
                                   " on Windows; open a handle for overlapped I/O, and use "
                                   "adopt_stream.");
}

}  // namespace

void adopt_stream(Reactor& reactor, Descriptor descriptor, std::shared_ptr<Protocol> protocol) {
  if (is_socket(descriptor)) {
    OwnedSocket socket(static_cast<SOCKET>(descriptor));
    auto& loop = detail::iocp_loop_of(reactor);
    begin(detail::iocp::over_socket(loop, std::move(socket)), std::move(protocol));
  } else {
    auto handle = one_way(descriptor);
    auto& loop = detail::iocp_loop_of(reactor);
    begin(detail::iocp::over_handle(loop, std::move(handle)), std::move(protocol));
  }
}

void adopt_pipes(Reactor& reactor, Descriptor input, Descriptor output,
                 std::shared_ptr<Protocol> protocol) {
  if (input == output) return adopt_stream(reactor, input, std::move(protocol));
  auto in = handle_in(input);
  auto out = one_way(output);
  static_cast<void>(in.release());
  begin(pair_transport(reactor, one_way(input), std::move(out)), std::move(protocol));
}

void adopt_reader(Reactor& reactor, Descriptor input, std::shared_ptr<Protocol> protocol) {
  const auto transport = pair_transport(reactor, one_way(input), OwnedHandle());
  transport->lose_write_connection();
  begin(transport, std::move(protocol));
}

void adopt_writer(Reactor& reactor, Descriptor output, std::shared_ptr<Protocol> protocol) {
  begin(pair_transport(reactor, OwnedHandle(), one_way(output)), std::move(protocol));
}

void open_fifo(Reactor&, const std::string& path, FifoEnd, std::shared_ptr<Protocol>) {
  refuse_device("the FIFO " + path);
}

void open_serial(Reactor&, const std::string& path, const SerialOptions&,
                 std::shared_ptr<Protocol>) {
  refuse_device("the serial port " + path);
}

#endif

void open_stdio(Reactor& reactor, std::shared_ptr<Protocol> protocol) {
  begin(stdio_transport(reactor), std::move(protocol));
}

ListeningPort listen_stdio(Reactor& reactor, std::shared_ptr<Factory> factory) {
  auto port = std::make_shared<StdioPort>(reactor, std::move(factory));
  port->open(stdio_transport(reactor));
  return ListeningPort(std::move(port));
}

}  // namespace weft

#else

namespace weft {

namespace {

[[noreturn]] void refuse_streams() {
  throw NotSupportedOnThisPlatform(
      "This system's descriptors cannot be watched; use a transport of the reactor instead.");
}

}  // namespace

void adopt_stream(Reactor&, Descriptor, std::shared_ptr<Protocol>) {
  refuse_streams();
}
void adopt_pipes(Reactor&, Descriptor, Descriptor, std::shared_ptr<Protocol>) {
  refuse_streams();
}
void adopt_reader(Reactor&, Descriptor, std::shared_ptr<Protocol>) {
  refuse_streams();
}
void adopt_writer(Reactor&, Descriptor, std::shared_ptr<Protocol>) {
  refuse_streams();
}
void open_stdio(Reactor&, std::shared_ptr<Protocol>) {
  refuse_streams();
}
ListeningPort listen_stdio(Reactor&, std::shared_ptr<Factory>) {
  refuse_streams();
}
void open_fifo(Reactor&, const std::string&, FifoEnd, std::shared_ptr<Protocol>) {
  refuse_streams();
}
void open_serial(Reactor&, const std::string&, const SerialOptions&, std::shared_ptr<Protocol>) {
  refuse_streams();
}

}  // namespace weft

#endif
