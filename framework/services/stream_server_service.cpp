#include "stream_server_service.hpp"

#include <utility>

namespace weft {

StreamServerService::StreamServerService(Clock& clock, std::shared_ptr<ServerEndpoint> endpoint,
                                         std::shared_ptr<Factory> factory,
                                         const StreamServerOptions& options)
    : Service(options.name),
      clock_(clock),
      endpoint_(std::move(endpoint)),
      factory_(std::move(factory)),
      finish_time_(options.finish_time),
      drain_deadline_(options.drain_deadline) {
  if (endpoint_ == nullptr || factory_ == nullptr)
    throw InvalidArgument("A server needs an endpoint and a factory; pass both.");
  if (finish_time_ < Duration::zero() || drain_deadline_ < Duration::zero())
    throw InvalidArgument("The times that a server gives its connections must not be negative.");
}

StreamServerService::~StreamServerService() {
  port_.stop();
}

Deferred<void> StreamServerService::privileged_start() {
  return endpoint_->listen(factory_).add_callback(
      [this](ListeningPort port) { port_ = std::move(port); });
}

Deferred<void> StreamServerService::stop() {
  port_.stop();
  auto finished = succeed();
  if (finish_time_ > Duration::zero() && port_.connections() > 0) {
    finished = port_.drained()
                   .add_timeout(clock_, finish_time_)
                   .add_errback<TimeoutError>([](const Failure&) {});
  }
  return std::move(finished)
      .add_callback([this] { return port_.close_connections(drain_deadline_); })
      .add_callback([this] { port_ = ListeningPort(); });
}

void StreamServerService::abort() {
  // Held, since it is let go of when the last connection is gone.
  auto port = port_;
  static_cast<void>(port.close_connections(Duration::zero()));
}

}  // namespace weft
