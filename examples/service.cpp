// Run `service --log-level=info`, then `nc 127.0.0.1 7777` beside it: every line that you type
// comes back, the log tells how much that was, and Ctrl-C ends all of it in order.
#include "example.hpp"

namespace {

// [parts]
class CountingEcho : public weft::Protocol {
 public:
  explicit CountingEcho(std::size_t& total) : total_(total) {}
  void data_received(weft::BytesView data) override {
    total_ += data.size();
    transport().write(data);
  }
  void pause_writing() override { transport().pause_producing(); }
  void resume_writing() override { transport().resume_producing(); }

 private:
  std::size_t& total_;
};

// A service of one's own: what it is to start and to stop.
class Announcement : public weft::Service {
 public:
  explicit Announcement(std::shared_ptr<weft::StreamServerService> server)
      : Service("announcement"), server_(std::move(server)) {}

 private:
  weft::Deferred<void> start() override {
    say("listening on " + server_->port().address().text());
    return weft::succeed();
  }
  weft::Deferred<void> stop() override {
    say("stopping");
    return weft::succeed();
  }

  std::shared_ptr<weft::StreamServerService> server_;
};
// [parts]

// [make]
std::shared_ptr<weft::Service> make(weft::Application& application) {
  const auto& flags = application.flags();
  auto& reactor = application.reactor();
  const auto total = std::make_shared<std::size_t>(0);

  auto server = std::make_shared<weft::StreamServerService>(
      reactor, weft::server_from_string(reactor, flags.value("listen")),
      weft::factory_from([total] { return std::make_shared<CountingEcho>(*total); }));
  auto report = std::make_shared<weft::TimerService>(
      reactor, flags.duration("report"), [&application, total] {
        const auto line = std::to_string(*total) + " bytes have come back so far";
        weft::log(weft::LogLevel::info, "service", line);
        application.set_status(line);
      });
  application.on_reload([total] { *total = 0; });

  return weft::multi_service("service", {server, report, std::make_shared<Announcement>(server)});
}
// [make]

}  // namespace

// [main]
int main(int argc, char** argv) try {
  weft::ApplicationOptions options;
  options.description = "Sends back whatever it is sent, and counts it.";
  options.flags.add("listen", "ENDPOINT", "Where to listen", "tcp:7777:interface=127.0.0.1")
      .add("report", "TIME", "How often to log how much that was", "10s");
  return weft::run_application(make, argc, argv, options);
} catch (...) {
  return report_exception();
}
// [main]
