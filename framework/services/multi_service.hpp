// Services that are started and stopped together.
#pragma once

#include "service.hpp"

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// Whether services are stopped one after the other, so that each can still use those that were
/// started before it, or all at once, which takes no longer than the slowest.
enum class StopOrder : std::uint8_t { one_by_one, all_at_once };

/// Starts its services in the order in which they were added, each when the one before runs; all
/// privileged starts come first. Stops them in reverse order. When one does not start, those that
/// did are stopped, and the start fails with ServiceError. When some do not stop, the rest is
/// stopped all the same, and the stop fails with the first ServiceError.
class MultiService : public Service {
 public:
  explicit MultiService(std::string name = {}, StopOrder order = StopOrder::one_by_one);
  ~MultiService() override;

  /// Adds it, and brings it to where this one is: started, prepared, or not yet. What it fails with
  /// fails the deferred alone; it is a child then nevertheless. Errors: InvalidArgument, thrown at
  /// once, for none, for one that has a parent, for a name that is taken, and for a circle.
  Deferred<void> add_service(std::shared_ptr<Service> service);
  /// Takes it out at once, and stops it; fires when it has stopped. Errors: InvalidArgument when it
  /// is none of ours, thrown at once; what stopping failed with.
  Deferred<void> remove_service(const std::shared_ptr<Service>& service);

  [[nodiscard]] const std::vector<std::shared_ptr<Service>>& services() const noexcept {
    return services_;
  }
  /// The one of that name, or null.
  [[nodiscard]] std::shared_ptr<Service> service_named(std::string_view name) const noexcept;

 private:
  Deferred<void> privileged_start() override;
  Deferred<void> start() override;
  Deferred<void> stop() override;
  void abort() override;

  Deferred<void> prepare_next();
  Deferred<void> start_next();
  Deferred<void> stop_next();
  Deferred<void> stop_all();
  [[nodiscard]] Deferred<void> stop_one(Service& service);
  [[nodiscard]] Outcome<void> end_of_stop();
  template <class Begin>
  Deferred<void> begin_one(const std::shared_ptr<Service>& service, Begin begin);
  void check_new(const std::shared_ptr<Service>& service) const;
  [[nodiscard]] std::string described(const Service& service) const;

  std::vector<std::shared_ptr<Service>> services_;
  const StopOrder order_;
  // Those before it have been started, or are still to be stopped.
  std::size_t next_ = 0;
  bool aborted_ = false;
  std::optional<Failure> stop_failure_;
};

/// A MultiService of these. Errors: InvalidArgument, as `add_service`.
[[nodiscard]] std::shared_ptr<MultiService> multi_service(
    std::string name, std::initializer_list<std::shared_ptr<Service>> services,
    StopOrder order = StopOrder::one_by_one);

}  // namespace weft
