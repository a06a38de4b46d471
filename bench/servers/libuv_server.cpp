// An echo server as one writes it with libuv. It does not hold back who does not read: libuv has no
// marks, and few write their own. Prints its port.
#include <uv.h>

#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>

namespace {

struct Write {
  uv_write_t request;
  uv_buf_t buffer;
};

void lend(uv_handle_t*, std::size_t suggested, uv_buf_t* buffer) {
  *buffer =
      uv_buf_init(static_cast<char*>(std::malloc(suggested)), static_cast<unsigned>(suggested));
}

void written(uv_write_t* request, int) {
  auto* const write = reinterpret_cast<Write*>(request);
  std::free(write->buffer.base);
  delete write;
}

void read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  if (count > 0) {
    auto* const write = new Write;
    write->buffer = uv_buf_init(buffer->base, static_cast<unsigned>(count));
    uv_write(&write->request, stream, &write->buffer, 1, &written);
    return;
  }
  std::free(buffer->base);
  if (count < 0) {
    uv_close(reinterpret_cast<uv_handle_t*>(stream),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); });
  }
}

void accept(uv_stream_t* listener, int status) {
  if (status < 0) return;
  auto* const peer = new uv_tcp_t;
  uv_tcp_init(listener->loop, peer);
  auto* const stream = reinterpret_cast<uv_stream_t*>(peer);
  uv_accept(listener, stream);
  uv_tcp_nodelay(peer, 1);
  uv_read_start(stream, &lend, &read);
}

}  // namespace

int main() {
  uv_loop_t* const loop = uv_default_loop();
  uv_tcp_t listener;
  uv_tcp_init(loop, &listener);
  sockaddr_in address;
  uv_ip4_addr("127.0.0.1", 0, &address);
  uv_tcp_bind(&listener, reinterpret_cast<const sockaddr*>(&address), 0);
  uv_listen(reinterpret_cast<uv_stream_t*>(&listener), SOMAXCONN, &accept);
  int size = sizeof address;
  uv_tcp_getsockname(&listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  uv_run(loop, UV_RUN_DEFAULT);
}
