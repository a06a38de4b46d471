#include "multi_service.hpp"

#include "../deferred_list.hpp"
#include "../logging.hpp"

#include <algorithm>
#include <utility>

namespace weft {

MultiService::MultiService(std::string name, StopOrder order)
    : Service(std::move(name)), order_(order) {}

MultiService::~MultiService() {
  for (const auto& service : services_)
    service->parent_ = nullptr;
}

// ---- who is in it

Deferred<void> MultiService::add_service(std::shared_ptr<Service> service) {
  check_new(service);
  services_.push_back(service);
  service->parent_ = this;
  const bool stopped = service->state() == ServiceState::stopped;
  const bool prepared = service->state() == ServiceState::prepared;
  if (running() && (stopped || prepared)) return service->start_service();
  if (state() == ServiceState::prepared && stopped) return service->privileged_start_service();
  // What is starting comes to it by itself.
  return succeed();
}

void MultiService::check_new(const std::shared_ptr<Service>& service) const {
  if (service == nullptr) throw InvalidArgument("No service was added; pass an object.");
  if (service->parent_ != nullptr) {
    throw InvalidArgument("The service \"" + service->name() +
                          "\" has a parent already; remove it there first.");
  }
  for (const Service* above = this; above != nullptr; above = above->parent()) {
    if (above == service.get()) {
      throw InvalidArgument("The service \"" + service->name() +
                            "\" cannot be added to itself, nor below itself.");
    }
  }
  if (!service->name().empty() && service_named(service->name()) != nullptr) {
    throw InvalidArgument("There is a service called \"" + service->name() +
                          "\" here already; give this one another name.");
  }
}

Deferred<void> MultiService::remove_service(const std::shared_ptr<Service>& service) {
  const auto found = std::find(services_.begin(), services_.end(), service);
  if (found == services_.end()) {
    throw InvalidArgument("A service was to be removed from \"" + name() +
                          "\" that is not in it; ask its parent().");
  }
  // It may be the list's own element.
  const auto removed = service;
  if (static_cast<std::size_t>(found - services_.begin()) < next_) --next_;
  services_.erase(found);
  removed->parent_ = nullptr;
  return removed->stop_service();
}

std::shared_ptr<Service> MultiService::service_named(std::string_view name) const noexcept {
  const auto found = std::find_if(services_.begin(), services_.end(),
                                  [name](const auto& one) { return one->name() == name; });
  return found != services_.end() ? *found : nullptr;
}

std::string MultiService::described(const Service& service) const {
  if (!service.name().empty()) return "service \"" + service.name() + "\"";
  const auto found = std::find_if(services_.begin(), services_.end(),
                                  [&](const auto& one) { return one.get() == &service; });
  return "service number " + std::to_string(found - services_.begin() + 1) +
         (name().empty() ? std::string() : " of \"" + name() + "\"");
}

// ---- starting

Deferred<void> MultiService::privileged_start() {
  next_ = 0;
  return prepare_next();
}

Deferred<void> MultiService::start() {
  next_ = 0;
  return start_next();
}

template <class Begin>
Deferred<void> MultiService::begin_one(const std::shared_ptr<Service>& service, Begin begin) {
  return maybe_deferred(begin).add_errback([this, service](const Failure& failure) {
    // It was removed meanwhile, so its start matters no more.
    if (service->parent() != this) return;
    const bool says_it_all =
        failure.check<ServiceError>() != nullptr || failure.check<CancelledError>() != nullptr;
    if (says_it_all) failure.raise();
    throw ServiceError(described(*service), "start", failure);
  });
}

Deferred<void> MultiService::prepare_next() {
  while (next_ < services_.size()) {
    const auto service = services_[next_++];
    const bool stopped = service->state() == ServiceState::stopped;
    if (!stopped && !service->start_under_way()) continue;
    auto prepared = begin_one(service, [&] {
      return stopped ? service->privileged_start_service() : service->join_start();
    });
    const auto* const outcome = prepared.peek();
    if (outcome != nullptr && outcome->succeeded()) continue;
    return std::move(prepared).add_callback([this] { return prepare_next(); });
  }
  return succeed();
}

Deferred<void> MultiService::start_next() {
  while (next_ < services_.size()) {
    const auto service = services_[next_];
    // Somebody else's may be a privileged start alone: it is looked at again then.
    const bool joined = service->start_under_way();
    if (!joined) ++next_;
    const auto before = service->state();
    if (!joined && before != ServiceState::stopped && before != ServiceState::prepared) continue;
    auto started = begin_one(
        service, [&] { return joined ? service->join_start() : service->start_service(); });
    const auto* const outcome = started.peek();
    if (outcome != nullptr && outcome->succeeded()) continue;
    return std::move(started).add_callback([this] { return start_next(); });
  }
  return succeed();
}

// ---- stopping

Deferred<void> MultiService::stop() {
  aborted_ = false;
  stop_failure_.reset();
  next_ = services_.size();
  return order_ == StopOrder::one_by_one ? stop_next() : stop_all();
}

Deferred<void> MultiService::stop_one(Service& service) {
  auto stopped = service.stop_service();
  if (aborted_) service.abort_service();
  return std::move(stopped).add_errback(
      [this, kept = service.shared_from_this()](const Failure& failure) {
        const auto what = described(*kept);
        log_failure("service", "The " + what + " did not stop in order", failure);
        if (!stop_failure_) stop_failure_ = Failure(ServiceError(what, "stop", failure));
      });
}

Deferred<void> MultiService::stop_next() {
  while (next_ > 0) {
    const auto service = services_[--next_];
    auto stopped = stop_one(*service);
    if (stopped.ready()) continue;
    return std::move(stopped).add_callback([this] { return stop_next(); });
  }
  return Deferred<void>(end_of_stop());
}

Deferred<void> MultiService::stop_all() {
  std::vector<Deferred<void>> stops;
  for (const auto& service : std::vector(services_.rbegin(), services_.rend()))
    stops.push_back(stop_one(*service));
  return deferred_list(std::move(stops)).add_callback([this](const std::vector<Outcome<void>>&) {
    return end_of_stop();
  });
}

Outcome<void> MultiService::end_of_stop() {
  next_ = 0;
  if (!stop_failure_) return {};
  return *std::exchange(stop_failure_, std::nullopt);
}

void MultiService::abort() {
  aborted_ = true;
  for (const auto& service : std::vector(services_))
    service->abort_service();
}

std::shared_ptr<MultiService> multi_service(
    std::string name, std::initializer_list<std::shared_ptr<Service>> services, StopOrder order) {
  auto parent = std::make_shared<MultiService>(std::move(name), order);
  for (const auto& service : services)
    static_cast<void>(parent->add_service(service));
  return parent;
}

}  // namespace weft
