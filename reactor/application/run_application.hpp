// A whole program as one call: flags, log, signals, an ordered stop, privileges, and the exit
// status.
#pragma once

#include "../../framework/reactor.hpp"
#include "../../framework/services/service.hpp"
#include "flags.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

/// What `run_application` gives for the program to exit with.
enum ExitStatus : int {
  /// It stopped in order, within its deadline.
  stopped_in_order = 0,
  /// It could not be started; standard error has the reason.
  not_started = 1,
  /// The command line cannot be understood.
  wrong_flags = 2,
  /// A second signal ended it, or the deadline came, before everything had stopped.
  stopped_out_of_order = 3,
};

/// The program that runs, for its services to see.
class Application {
 public:
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

  [[nodiscard]] Reactor& reactor() const noexcept { return reactor_; }
  [[nodiscard]] const Flags& flags() const noexcept { return flags_; }
  /// Has `f()` called at each SIGHUP; it returns nothing or a Deferred<void>, which is waited for
  /// before the reload counts as done. What it fails with is logged.
  template <class F>
  void on_reload(F f) {
    // A reload that is a coroutine may still be under way when all others have gone.
    reloads_.push_back(
        [f = std::make_shared<F>(std::move(f))] { return maybe_deferred([f] { return (*f)(); }); });
    listen_for_reloads();
  }
  /// Tells systemd how it fares, in one line.
  virtual void set_status(std::string_view text) = 0;
  /// Begins the ordered stop, as a signal does; the program then exits with `exit_status`.
  virtual void stop(int exit_status = stopped_in_order) = 0;

 protected:
  Application(Reactor& reactor, const Flags& flags) noexcept : reactor_(reactor), flags_(flags) {}
  ~Application() = default;
  using Reload = std::function<Deferred<void>()>;
  [[nodiscard]] std::vector<Reload>& reloads() noexcept { return reloads_; }

 private:
  virtual void listen_for_reloads() = 0;

  Reactor& reactor_;
  const Flags& flags_;
  std::vector<Reload> reloads_;
};

/// Makes what the program runs, once its reactor runs. What it throws ends the program.
using ServiceMaker = std::function<std::shared_ptr<Service>(Application&)>;

struct ApplicationOptions {
  ApplicationOptions() {}
  /// What --help begins with.
  std::string description;
  /// Flags of the program's own, beside those that `run_application` has.
  Flags flags;
  /// Called at each SIGHUP, as what `Application::on_reload` was given.
  std::function<Deferred<void>()> on_reload;
  /// How long all of an ordered stop may take, unless --stop-deadline says otherwise. Connections
  /// that are left are cut a little before, so that the program still ends in order.
  Duration stop_deadline = std::chrono::seconds(10);
};

/// Runs a service until the program is told to end, and gives the exit status. In order: reads
/// flags and environment, opens log and pid file, makes the reactor and the service, starts what
/// needs privileges, drops those, starts the rest, and tells systemd. SIGINT and SIGTERM stop all
/// of it in order; a second one ends it at once, a third whatever the loop is stuck in. SIGHUP
/// opens the log file anew and calls who wants to reload. docs/applications.md has the flags.
[[nodiscard]] int run_application(const ServiceMaker& make, int argc, const char* const* argv,
                                  const ApplicationOptions& options = {});
/// The same with a service that was made before.
[[nodiscard]] int run_application(std::shared_ptr<Service> service, int argc,
                                  const char* const* argv, const ApplicationOptions& options = {});

}  // namespace weft
