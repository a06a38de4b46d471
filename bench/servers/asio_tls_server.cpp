// An echo server as one writes it with Boost.Asio's ssl::stream and callbacks, with 16 KiB a
// connection. asio_tls_server FILE, with certificate and key. Prints its port.
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstdio>
#include <memory>
#include <utility>

namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

class Echo : public std::enable_shared_from_this<Echo> {
 public:
  Echo(tcp::socket socket, asio::ssl::context& context) : stream_(std::move(socket), context) {
    stream_.next_layer().set_option(tcp::no_delay(true));
  }
  void shake_hands() {
    stream_.async_handshake(asio::ssl::stream_base::server,
                            [self = shared_from_this()](const auto& error) {
                              if (!error) self->read();
                            });
  }

 private:
  void read() {
    stream_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](const auto& error, std::size_t count) {
                              error ? self->shut_down() : self->write(count);
                            });
  }
  void write(std::size_t count) {
    asio::async_write(stream_, asio::buffer(buffer_.data(), count),
                      [self = shared_from_this()](const auto& error, std::size_t) {
                        if (!error) self->read();
                      });
  }
  void shut_down() {
    stream_.async_shutdown([self = shared_from_this()](const auto&) {});
  }
  asio::ssl::stream<tcp::socket> stream_;
  std::array<char, 16 * 1024> buffer_;
};

void accept(tcp::acceptor& acceptor, asio::ssl::context& context) {
  acceptor.async_accept([&](const auto& error, tcp::socket socket) {
    if (!error) std::make_shared<Echo>(std::move(socket), context)->shake_hands();
    accept(acceptor, context);
  });
}

}  // namespace

int main(int argc, char** argv) {
  asio::ssl::context context(asio::ssl::context::tls_server);
  context.use_certificate_chain_file(argc > 1 ? argv[1] : "");
  context.use_private_key_file(argv[1], asio::ssl::context::pem);
  SSL_CTX_set_session_cache_mode(context.native_handle(), SSL_SESS_CACHE_OFF);
  asio::io_context loop(1);
  tcp::acceptor acceptor(loop, {asio::ip::address_v4::loopback(), 0});
  std::printf("%d\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  accept(acceptor, context);
  loop.run();
}
