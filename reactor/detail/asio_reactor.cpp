#include "../../framework/basic_reactor.hpp"
#include "../../framework/logging.hpp"
#include "../../transports/detail/asio_datagram_port.hpp"
#include "../../transports/detail/asio_loop.hpp"
#include "../../transports/detail/tcp_connector.hpp"
#include "../../transports/detail/tcp_listener.hpp"
#if defined(__linux__) || defined(_WIN32)
#include "../../transports/detail/child_process.hpp"
#endif
#ifdef __linux__
#include "../../transports/detail/port_sharing.hpp"
#include "../../transports/detail/unix_socket.hpp"
#endif
#ifdef WEFT_BACKEND_IOCP
#include "../../transports/detail/handle_carrier.hpp"
#endif
#include "../../transports/dns_resolver.hpp"
#include "backends.hpp"
#include "stop_signals.hpp"
#include "watches.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include <utility>

namespace weft::detail::WEFT_BACKEND {

namespace {

#define WEFT_STRINGIZE_(name) #name
#define WEFT_STRINGIZE(name) WEFT_STRINGIZE_(name)

}  // namespace

#if defined(WEFT_BACKEND_IOCP)
using Further = HandleCarrier;
#elif defined(__linux__)
using Further = PortSharing;
#else
struct Further {};
#endif

class AsioReactor final : public BasicReactor, public Further {
 public:
  AsioReactor()
      : loop_(std::make_shared<AsioLoop>(*this)),
        watches_(*loop_),
        work_(net::make_work_guard(loop_->io)) {
    set_resolver(make_default_resolver(*this));
  }
  ~AsioReactor() override {
    end();
    finish_cancelled();
    // On Windows dropping waits until there is no work left.
    work_.reset();
    // What is left lets go of its transports, which keep the loop.
    loop_->io.drop_operations();
  }

  [[nodiscard]] std::string_view name() const noexcept override {
    return WEFT_STRINGIZE(WEFT_BACKEND);
  }
  [[nodiscard]] TimePoint now() const override { return std::chrono::steady_clock::now(); }

  ListeningPort listen_tcp(Port port, std::shared_ptr<Factory> factory,
                           const ListenOptions& options) override {
    turn().check_thread();
    auto listener = std::make_shared<TcpListener>(*loop_, std::move(factory));
    listener->made_at(options.where);
    listener->open(port, options);
    return ListeningPort(std::move(listener));
  }
  Deferred<std::shared_ptr<Protocol>> connect_tcp(std::string host, Port port,
                                                  std::shared_ptr<Factory> factory,
                                                  const ConnectOptions& options) override {
    turn().check_thread();
    const auto connector =
        std::make_shared<TcpConnector>(*loop_, std::move(factory), std::move(host), port);
    connector->made_at(options.where);
    return connector->start(options);
  }
  std::shared_ptr<DatagramTransport> listen_udp(Port port,
                                                std::shared_ptr<DatagramProtocol> protocol,
                                                const DatagramOptions& options) override {
    turn().check_thread();
    auto transport = make_datagram_port(*loop_, options);
    transport->made_at(options.where);
    transport->open_udp(port);
    transport->start(std::move(protocol));
    return transport;
  }
#ifdef __linux__
  ListeningPort adopt_port(Descriptor listening, std::shared_ptr<Factory> factory) override {
    return ListeningPort(accepting_port(passed_port(listening), std::move(factory)));
  }
  [[nodiscard]] std::shared_ptr<Listener> accepting_port(
      PassedPort port, std::shared_ptr<Factory> factory) override {
    turn().check_thread();
    const bool is_unix = port.address.family() == Address::Family::unix_socket;
    return is_unix ? adopted<UnixListener>(*this, std::move(port), std::move(factory))
                   : adopted<TcpListener>(*loop_, std::move(port), std::move(factory));
  }
  [[nodiscard]] std::shared_ptr<TakingListener> taking_port(
      const Address& host, std::shared_ptr<Factory> factory) override {
    turn().check_thread();
    std::shared_ptr<TakingListener> listener;
    if (host.family() == Address::Family::unix_socket) {
      listener = std::make_shared<UnixListener>(*this, std::move(factory));
    } else {
      listener = std::make_shared<TcpListener>(*loop_, std::move(factory));
    }
    listener->take_only(host);
    return listener;
  }
  std::shared_ptr<DatagramTransport> listen_unix_datagrams(
      std::string path, std::shared_ptr<DatagramProtocol> protocol,
      const DatagramOptions& options) override {
    turn().check_thread();
    auto transport = make_datagram_port(*loop_, options);
    transport->made_at(options.where);
    transport->open_unix(std::move(path));
    transport->start(std::move(protocol));
    return transport;
  }
  ListeningPort listen_unix(std::string path, std::shared_ptr<Factory> factory,
                            const UnixListenOptions& options) override {
    turn().check_thread();
    auto listener = std::make_shared<UnixListener>(*this, std::move(factory));
    listener->made_at(options.where);
    listener->open(std::move(path), options);
    return ListeningPort(std::move(listener));
  }
  Deferred<std::shared_ptr<Protocol>> connect_unix(std::string path,
                                                   std::shared_ptr<Factory> factory,
                                                   const ConnectOptions& options) override {
    turn().check_thread();
    const auto connector =
        std::make_shared<UnixConnector>(*this, std::move(factory), std::move(path));
    connector->made_at(options.where);
    return connector->start(options);
  }
#endif
#if defined(__linux__) || defined(_WIN32)
  std::shared_ptr<Process> spawn_process(std::shared_ptr<ProcessProtocol> protocol,
                                         const ProcessOptions& options) override {
    return spawn_child(*this, std::move(protocol), options);
  }
#endif
#ifdef _WIN32
  ListeningPort adopt_port(Descriptor listening, std::shared_ptr<Factory> factory) override {
    turn().check_thread();
    auto listener = std::make_shared<TcpListener>(*loop_, std::move(factory));
    listener->adopt(passed_port(listening));
    return ListeningPort(std::move(listener));
  }
#endif
#ifdef WEFT_BACKEND_IOCP
  [[nodiscard]] AsioLoop& iocp_loop() noexcept override {
    return *loop_;
  }
#endif
  [[nodiscard]] Watch watch(Descriptor descriptor, Interest interest, Callback callback,
                            CallPlace where) override {
    turn().check_thread();
    return watches_.watch(descriptor, interest, std::move(callback), where);
  }

 private:
  void describe_more(std::vector<PendingWork>& pending) const override {
    watches_.describe(pending);
  }
#ifdef __linux__
  template <class PortListener, class Owner>
  std::shared_ptr<Listener> adopted(Owner& owner, PassedPort port,
                                    std::shared_ptr<Factory> factory) {
    auto listener = std::make_shared<PortListener>(owner, std::move(factory));
    listener->adopt(std::move(port));
    return listener;
  }
#endif
  void wait(std::optional<TimePoint> until) override {
    loop_->wait(until);
  }
  void wake() noexcept override {
    loop_->wake();
  }
  // What was cancelled may end while the kernel still knows its buffers.
  void finish_cancelled() noexcept {
    try {
      loop_->io.restart();
      loop_->io.poll();
    } catch (...) {
      log_failure("reactor", "What was cancelled could not end", Failure::current());
    }
  }

  void run_began() override {
    if (!stops_on_signals()) return;
    try {
      if (!signals_.take(*this) || signals_.descriptor() < 0) return;
      const auto stop = [this] {
        while (signals_.read_one())
          interrupted();
      };
      signal_watch_ = watches_.watch(signals_.descriptor(), Interest::readable, stop, {});
    } catch (...) {
      log_failure("reactor", "SIGINT and SIGTERM will not stop the reactor in order",
                  Failure::current());
      signals_.give_back();
    }
  }
  void run_ended() noexcept override {
    signal_watch_.cancel();
    signals_.give_back();
  }

  std::shared_ptr<AsioLoop> loop_;
  Watches watches_;
  net::executor_work_guard<net::io_context::executor_type> work_;
  StopSignals signals_;
  Watch signal_watch_;
};

std::unique_ptr<Reactor> make_asio_reactor() {
  return std::make_unique<AsioReactor>();
}

}  // namespace weft::detail::WEFT_BACKEND
