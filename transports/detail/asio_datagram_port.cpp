#include "asio_datagram_port.hpp"

#if defined(WEFT_BACKEND_EPOLL) || defined(WEFT_BACKEND_IO_URING)
#include "watched_datagram_port.hpp"
#else
#include "../../framework/error.hpp"
#include "../../framework/logging.hpp"

#include <boost/asio/basic_datagram_socket.hpp>
#include <boost/asio/generic/datagram_protocol.hpp>
#endif

#include <utility>

namespace weft::detail::WEFT_BACKEND {

#if defined(WEFT_BACKEND_EPOLL) || defined(WEFT_BACKEND_IO_URING)

std::shared_ptr<DatagramPort> make_datagram_port(AsioLoop& loop, const DatagramOptions& options) {
  return std::make_shared<WatchedDatagramPort>(loop.reactor, options);
}

#else

namespace {

using DatagramProtocol = net::generic::datagram_protocol;

// Windows has nothing to watch descriptors with. Asio waits for the socket, and no more.
class AsioDatagramPort final : public DatagramPort {
 public:
  AsioDatagramPort(AsioLoop& loop, const DatagramOptions& options)
      : DatagramPort(loop.reactor, options), loop_(loop.shared_from_this()), waiter_(loop.io) {}

 private:
  void adopt(OwnedSocket socket) override {
    ErrorCode error;
    waiter_.assign(DatagramProtocol(family(), 0), socket.get(), error);
    if (error) {
      throw ListenError("A port cannot be waited for: " + error.message() + ".", {}, to_std(error));
    }
    static_cast<void>(socket.release());
  }

  void wait_readable() override {
    reading_wanted_ = true;
    read_again();
  }
  void stop_reading() noexcept override { reading_wanted_ = false; }
  void read_again() {
    if (reading_ || !reading_wanted_) return;
    loop_->asio_used();
    waiter_.async_wait(Socket::wait_read,
                       [this, self = shared_from_this()](const ErrorCode& error) {
                         reading_ = false;
                         if (error) return failed(error);
                         if (reading_wanted_) readable();
                         guarded([this] { read_again(); });
                       });
    reading_ = true;
  }

  void wait_writable() override {
    loop_->asio_used();
    waiter_.async_wait(Socket::wait_write,
                       [this, self = shared_from_this()](const ErrorCode& error) {
                         writing_ = false;
                         if (error) return failed(error);
                         writable();
                       });
    writing_ = true;
  }

  void close_socket() noexcept override {
    reading_wanted_ = false;
    detail::WEFT_BACKEND::close_socket(*loop_, waiter_, reading_ || writing_);
  }

  void failed(const ErrorCode& error) noexcept {
    if (error == net::error::operation_aborted || !waiter_.is_open()) return;
    guarded([&] {
      throw Error("The loop cannot wait for the port at " + host().text() + ": " + error.message() +
                      "; it is closed.",
                  host(), to_std(error));
    });
  }

  // No exception may go back into Asio's loop; nobody would tell this port anything more.
  template <class F>
  void guarded(F&& body) noexcept {
    try {
      body();
    } catch (...) {
      log_failure("datagrams", "A port is closed", Failure::current());
      abort_connection();
    }
  }

  using Socket = net::basic_datagram_socket<DatagramProtocol>;
  std::shared_ptr<AsioLoop> loop_;
  Socket waiter_;
  bool reading_wanted_ = false;
  bool reading_ = false;
  bool writing_ = false;
};

}  // namespace

std::shared_ptr<DatagramPort> make_datagram_port(AsioLoop& loop, const DatagramOptions& options) {
  return std::make_shared<AsioDatagramPort>(loop, options);
}

#endif

}  // namespace weft::detail::WEFT_BACKEND
