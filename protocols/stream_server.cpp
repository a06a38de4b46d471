#include "stream_server.hpp"

#include "../framework/error.hpp"
#include "../framework/logging.hpp"

#include <optional>
#include <string>
#include <utility>

namespace weft {

namespace {

class ServedStream final : public Stream {
 public:
  ServedStream(std::shared_ptr<const ServeStream> serve, std::size_t max_buffered)
      : Stream(max_buffered), serve_(std::move(serve)) {}

  void connection_made() override {
    auto task = (*serve_)(*this);
    if (!task.valid()) {
      throw InvalidArgument("A stream was to be served by a task that was begun elsewhere.");
    }
    name_ = task.name();
    // The task has this stream by reference, so that it is kept until the task has ended.
    auto serving = ensure_deferred(std::move(task))
                       .add_both([self = shared_from_this(), this](const Outcome<void>& outcome) {
                         served(outcome);
                       });
    if (!serving.ready()) serving_.emplace(std::move(serving));
  }

  void connection_lost(const Failure& reason) override {
    Stream::connection_lost(reason);
    if (serving_) serving_->cancel();
  }

 private:
  void served(const Outcome<void>& outcome) {
    const auto ended = std::exchange(serving_, std::nullopt);
    if (outcome) {
      if (loss() == nullptr) transport().lose_connection();
      return;
    }
    const auto& failure = outcome.failure();
    if (loss() != nullptr && is_of_loss(failure)) return;
    log_failure("streams",
                "The task " + name_ + ", which served " + transport().peer().text() +
                    ", failed; its connection is aborted",
                failure);
    transport().abort_connection(failure);
  }

  [[nodiscard]] bool is_of_loss(const Failure& failure) const {
    return failure.check<CancelledError>() != nullptr || &failure.error() == &loss()->error();
  }

  std::shared_ptr<const ServeStream> serve_;
  std::string name_;
  std::optional<Deferred<void>> serving_;
};

}  // namespace

std::shared_ptr<Factory> stream_server(ServeStream serve, std::size_t max_buffered) {
  if (!serve) {
    throw InvalidArgument("A server of streams was given no function; nobody would answer.");
  }
  return factory_from(
      [serve = std::make_shared<const ServeStream>(std::move(serve)), max_buffered] {
        return std::make_shared<ServedStream>(serve, max_buffered);
      });
}

}  // namespace weft
