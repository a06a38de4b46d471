#include "process_pool.hpp"

#ifdef __linux__
#include "detail/process_pool_core.hpp"
#endif

#include <utility>

namespace weft {

RemoteError::RemoteError(const std::string& function, std::string type_name, std::string said)
    : Error("The worker function \"" + function + "\" threw " + type_name + ": " + said),
      type_name_(std::move(type_name)),
      said_(std::move(said)) {}

WorkerLost::WorkerLost(const std::string& function, ProcessStatus status, std::string said)
    : Error("The worker that ran the function \"" + function + "\" " + status.text() +
            (said.empty() ? "." : "; it said: " + said)),
      status_(status),
      said_(std::move(said)) {}

#ifdef __linux__

ProcessPool::ProcessPool(Reactor& reactor, ProcessPoolOptions options)
    : core_(std::make_shared<detail::ProcessPoolCore>(reactor, std::move(options))) {
  core_->open();
}

ProcessPool::~ProcessPool() {
  core_->abandon();
}

Deferred<void> ProcessPool::stop(Duration deadline, SourceLocation where) {
  return core_->stop(deadline, where);
}

ProcessPoolStats ProcessPool::stats() const {
  return core_->stats();
}

const CallOptions& ProcessPool::call_options() const noexcept {
  return core_->options().call;
}

Deferred<std::string> ProcessPool::call_packed(const std::string& function, std::string arguments,
                                               const CallOptions& options,
                                               const SourceLocation& where) {
  return core_->call(function, std::move(arguments), options, where);
}

#else

namespace {

[[noreturn]] void refuse_pools() {
  throw NotSupportedOnThisPlatform(
      "There are no worker processes on this system yet; use a ThreadPool.");
}

}  // namespace

ProcessPool::ProcessPool(Reactor&, ProcessPoolOptions) {
  refuse_pools();
}
ProcessPool::~ProcessPool() = default;
Deferred<void> ProcessPool::stop(Duration, SourceLocation) {
  refuse_pools();
}
ProcessPoolStats ProcessPool::stats() const {
  refuse_pools();
}
const CallOptions& ProcessPool::call_options() const noexcept {
  static const CallOptions none;
  return none;
}
Deferred<std::string> ProcessPool::call_packed(const std::string&, std::string, const CallOptions&,
                                               const SourceLocation&) {
  refuse_pools();
}

#endif

}  // namespace weft
