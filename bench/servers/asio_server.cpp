// Servers as one writes them with Boost.Asio and callbacks: asio_server echo | lines, with 16 KiB a
// connection. Prints its port.
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

class Echo : public std::enable_shared_from_this<Echo> {
 public:
  explicit Echo(tcp::socket socket) : socket_(std::move(socket)) {
    socket_.set_option(tcp::no_delay(true));
  }
  void read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](const auto& error, std::size_t count) {
                              if (!error) self->write(count);
                            });
  }

 private:
  void write(std::size_t count) {
    asio::async_write(socket_, asio::buffer(buffer_.data(), count),
                      [self = shared_from_this()](const auto& error, std::size_t) {
                        if (!error) self->read();
                      });
  }
  tcp::socket socket_;
  std::array<char, 16 * 1024> buffer_;
};

class Lines : public std::enable_shared_from_this<Lines> {
 public:
  explicit Lines(tcp::socket socket) : socket_(std::move(socket)) {
    socket_.set_option(tcp::no_delay(true));
  }
  void read() {
    asio::async_read_until(socket_, asio::dynamic_buffer(received_), '\n',
                           [self = shared_from_this()](const auto& error, std::size_t length) {
                             if (!error) self->write(length);
                           });
  }

 private:
  void write(std::size_t length) {
    asio::async_write(socket_, asio::buffer(received_.data(), length),
                      [self = shared_from_this(), length](const auto& error, std::size_t) {
                        if (error) return;
                        self->received_.erase(0, length);
                        self->read();
                      });
  }
  tcp::socket socket_;
  std::string received_;
};

template <class Session>
void accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([&acceptor](const auto& error, tcp::socket socket) {
    if (!error) std::make_shared<Session>(std::move(socket))->read();
    accept<Session>(acceptor);
  });
}

}  // namespace

int main(int argc, char** argv) {
  asio::io_context context(1);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  std::printf("%d\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  argc > 1 && std::string_view(argv[1]) == "lines" ? accept<Lines>(acceptor)
                                                   : accept<Echo>(acceptor);
  context.run();
}
