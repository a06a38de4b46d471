#include "../../framework/basic_reactor.hpp"
#include "../../framework/logging.hpp"
#include "../../transports/detail/asio_loop.hpp"
#include "../../transports/detail/tcp_connector.hpp"
#include "../../transports/detail/tcp_listener.hpp"
#include "../../transports/system_resolver.hpp"
#include "backends.hpp"
#include "watches.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <utility>

namespace weft::detail::WEFT_BACKEND {

namespace {

#define WEFT_STRINGIZE_(name) #name
#define WEFT_STRINGIZE(name) WEFT_STRINGIZE_(name)

// Whether the application has left the signal alone.
bool unclaimed(int signal) noexcept {
#ifdef _WIN32
  const auto handler = std::signal(signal, SIG_DFL);
  if (handler != SIG_DFL) std::signal(signal, handler);
  return handler == SIG_DFL;
#else
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && (action.sa_flags & SA_SIGINFO) == 0 &&
         action.sa_handler == SIG_DFL;
#endif
}

}  // namespace

class AsioReactor final : public BasicReactor {
 public:
  AsioReactor()
      : loop_(*this), watches_(loop_), work_(net::make_work_guard(loop_.io)), signals_(loop_.io) {
    set_resolver(std::make_shared<SystemResolver>(*this));
  }
  ~AsioReactor() override { end(); }

  [[nodiscard]] std::string_view name() const noexcept override {
    return WEFT_STRINGIZE(WEFT_BACKEND);
  }
  [[nodiscard]] TimePoint now() const override { return std::chrono::steady_clock::now(); }

  ListeningPort listen_tcp(Port port, std::shared_ptr<Factory> factory,
                           const ListenOptions& options) override {
    turn().check_thread();
    auto listener = std::make_shared<TcpListener>(loop_, std::move(factory));
    listener->open(port, options);
    return ListeningPort(std::move(listener));
  }
  Deferred<std::shared_ptr<Protocol>> connect_tcp(std::string host, Port port,
                                                  std::shared_ptr<Factory> factory,
                                                  const ConnectOptions& options) override {
    turn().check_thread();
    return std::make_shared<TcpConnector>(loop_, std::move(factory), std::move(host), port)
        ->start(options);
  }
  [[nodiscard]] Watch watch(Descriptor descriptor, Interest interest, Callback callback) override {
    turn().check_thread();
    return watches_.watch(descriptor, interest, std::move(callback));
  }

 private:
  void wait(std::optional<TimePoint> until) override {
    try {
      if (!until) {
        loop_.io.run_one();
      } else if (*until <= now()) {
        loop_.io.poll_one();
      } else {
        loop_.io.run_one_until(*until);
      }
    } catch (...) {
      log_failure("reactor", "A round of the loop threw; the loop goes on", Failure::current());
    }
    // `wake` stops the context, which needs no memory; whoever called it left word before.
    if (loop_.io.stopped()) loop_.io.restart();
  }
  void wake() noexcept override { loop_.io.stop(); }

  void run_began() override {
    if (!stops_on_signals()) return;
    bool any = false;
    for (const int signal : {SIGINT, SIGTERM}) {
      if (!unclaimed(signal)) continue;
      ErrorCode error;
      signals_.add(signal, error);
      any = any || !error;
    }
    if (any) wait_for_signals();
  }
  void run_ended() noexcept override {
    ErrorCode ignored;
    signals_.clear(ignored);
  }
  void wait_for_signals() {
    signals_.async_wait([this](const ErrorCode& error, int) {
      if (error) return;
      interrupted();
      wait_for_signals();
    });
  }

  AsioLoop loop_;
  Watches watches_;
  net::executor_work_guard<net::io_context::executor_type> work_;
  net::signal_set signals_;
};

std::unique_ptr<Reactor> make_asio_reactor() {
  return std::make_unique<AsioReactor>();
}

}  // namespace weft::detail::WEFT_BACKEND
