#include "../../framework/coroutines/sleep.hpp"
#include "../../framework/coroutines/task.hpp"
#include "../../framework/logging.hpp"
#include "../../framework/services/multi_service.hpp"
#include "../../framework/services/stream_server_service.hpp"
#include "../../framework/transport.hpp"
#include "../../transports/endpoints.hpp"
#include "run_application.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <unistd.h>

// The program that the tests run: a server whose services misbehave as its flags say.
namespace weft {
namespace {

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

// Answers "flood" with more than any peer's buffers take, and everything else with itself.
class Peer final : public Protocol {
 public:
  explicit Peer(Bytes flood) : flood_(std::move(flood)) {}
  void data_received(BytesView data) override {
    data.text() == "flood" ? transport().write(flood_) : transport().write(data);
  }

 private:
  Bytes flood_;
};

// Says what it is asked; its stop or its start may never end.
class Telling final : public Service {
 public:
  Telling(Application& application, StreamServerService& server)
      : Service("telling"), application_(application), server_(server) {}

 private:
  Deferred<void> privileged_start() override {
    say("prepared as " + std::to_string(::getuid()));
    if (application_.flags().given("fail")) throw std::runtime_error("no paper");
    return succeed();
  }
  Deferred<void> start() override {
    reload_as_told();
    say("started as " + std::to_string(::getuid()));
    const bool notifies = std::getenv("NOTIFY_SOCKET") != nullptr ||
                          std::getenv("WATCHDOG_USEC") != nullptr ||
                          std::getenv("WATCHDOG_PID") != nullptr;
    say(notifies ? "would have children notify" : "keeps it to itself");
    if (application_.flags().given("slow-start")) return never_.deferred();
    say("port " + std::to_string(server_.port().address().port()) + " on " +
        std::string(application_.reactor().name()));
    application_.set_status("all is\nwell");
    return succeed();
  }
  Deferred<void> stop() override {
    say("stopping");
    return application_.flags().given("stubborn") ? never_.deferred() : succeed();
  }

  // How a reload may misbehave that is registered only now.
  void reload_as_told() {
    const auto& how = application_.flags().value("reload-late");
    const std::string own(60, 'y');
    if (how == "well") application_.on_reload([] { say("reloading late"); });
    if (how == "more") {
      application_.on_reload([this, own] {
        for (int i = 0; i < 20; ++i)
          application_.on_reload([] {});
        say("reloading " + own);
      });
      application_.on_reload([own] { say("second " + own); });
    }
    if (how == "never") {
      application_.on_reload([own]() -> Task<void> {
        say("reloading");
        try {
          co_await sleep(std::chrono::hours(1));
        } catch (const Error&) {
          say("cut short: " + own);
        }
      });
    }
  }

  Application& application_;
  StreamServerService& server_;
  Promise<void> never_;
};

std::shared_ptr<Service> make(Application& application) {
  const auto& flags = application.flags();
  StreamServerOptions options;
  options.name = "web";
  options.drain_deadline = flags.duration("drain");
  Bytes flood(std::string(flags.given("flood") ? 32'000'000 : 0, 'x'));
  auto server = std::make_shared<StreamServerService>(
      application.reactor(), server_from_string(application.reactor(), flags.value("listen")),
      factory_for<Peer>(std::move(flood)), options);
  if (flags.given("reload")) {
    application.on_reload([&application] {
      log(LogLevel::info, "child", "reloading");
      say("reloading");
      char byte = 0;
      const bool stuck = application.flags().given("stuck");
      if (stuck && ::read(0, &byte, 1) < 0) throw std::runtime_error("nothing to read");
      if (application.flags().value("reload") == "exit") application.stop(42);
      if (application.flags().value("reload") == "twice") {
        static_cast<void>(::raise(SIGTERM));
        static_cast<void>(::raise(SIGTERM));
      }
      if (application.flags().value("reload") == "throw") throw std::runtime_error("clumsy");
    });
  }
  return multi_service("application", {server, std::make_shared<Telling>(application, *server)});
}

}  // namespace
}  // namespace weft

int main(int argc, char** argv) {
  weft::ApplicationOptions options;
  options.description = "Misbehaves as it is told.";
  options.flags.add("listen", "ENDPOINT", "Where to listen", "tcp:0:interface=127.0.0.1")
      .add("drain", "TIME", "How long connections have", "5")
      .add("reload", "HOW", "Reload at SIGHUP: well, throw, exit or twice")
      .add("reload-late", "HOW", "The same, registered by a start: well, more or never")
      .add_switch("stuck", "Reloading waits for a byte on standard input")
      .add_switch("fail", "Do not start")
      .add_switch("slow-start", "Never finish starting")
      .add_switch("flood", "Have much to say")
      .add_switch("stubborn", "Do not stop");
  return weft::run_application(weft::make, argc, argv, options);
}
