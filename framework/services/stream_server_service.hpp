// A server as a service: listens while it runs, and sees its connections off when it stops.
#pragma once

#include "../endpoint.hpp"
#include "../listening_port.hpp"
#include "service.hpp"

#include <memory>
#include <string>

namespace weft {

/// How a StreamServerService ends its connections.
struct StreamServerOptions {
  StreamServerOptions() {}
  std::string name;
  /// How long connections may go on after it accepts no more, for protocols that end by themselves
  /// once they have answered; their factory's `stop_factory` tells that the time has come.
  Duration finish_time = Duration::zero();
  /// How long those that are left then have for what was written to them; the rest is cut.
  Duration drain_deadline = std::chrono::seconds(5);
};

/// Accepts connections at an endpoint; bound at its privileged start. Stopping it stops listening,
/// and then ends the connections as the options say. Lifetime: destroying it stops listening.
class StreamServerService : public Service {
 public:
  /// Errors: InvalidArgument for no endpoint, no factory, and times below zero.
  StreamServerService(Clock& clock, std::shared_ptr<ServerEndpoint> endpoint,
                      std::shared_ptr<Factory> factory, const StreamServerOptions& options = {});
  ~StreamServerService() override;

  /// The port while there is one; an empty handle otherwise.
  [[nodiscard]] const ListeningPort& port() const noexcept { return port_; }

 private:
  Deferred<void> privileged_start() override;
  Deferred<void> stop() override;
  void abort() override;

  Clock& clock_;
  const std::shared_ptr<ServerEndpoint> endpoint_;
  const std::shared_ptr<Factory> factory_;
  const Duration finish_time_;
  const Duration drain_deadline_;
  ListeningPort port_;
};

}  // namespace weft
