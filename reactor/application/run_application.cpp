#include "run_application.hpp"

#include "../../framework/deferred_list.hpp"
#include "../../framework/endpoint_arguments.hpp"
#include "../../framework/logging.hpp"
#include "../../framework/looping_call.hpp"
#include "../../framework/turn.hpp"
#include "../make_reactor.hpp"
#include "../signals.hpp"
#include "log_file.hpp"
#include "pid_file.hpp"
#include "privileges.hpp"
#include "systemd_notifier.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>

namespace weft {

namespace {

Flags all_flags(const ApplicationOptions& options) {
  std::string reactors;
  for (const auto& name : reactor_names())
    reactors += (reactors.empty() ? "" : ", ") + name;
  const auto deadline = std::chrono::duration<double>(options.stop_deadline).count();
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%g", deadline);
  Flags flags = options.flags;
  flags.add("reactor", "NAME", "The event loop, one of: " + reactors)
      .add("log-level", "LEVEL", "trace, debug, info, warning, error or off; else WEFT_LOG says it")
      .add("log-file", "PATH",
           "Log to this file, opened anew at SIGHUP; else WEFT_LOG_FILE says it")
      .add("pid-file", "PATH", "Keep the process's number there, and a second one out")
      .add("user", "NAME", "Become this user once all ports are bound")
      .add("group", "NAME", "Become this group; the user's own unless given")
      .add("stop-deadline", "TIME", "How long an ordered stop may take", seconds)
      .add_switch("help", "Print this");
  return flags;
}

/// What the flag says, or else the environment.
std::string setting(const Flags& flags, std::string_view flag, const char* variable) {
  if (flags.given(flag)) return flags.value(flag);
  const char* const value = std::getenv(variable);
  return value != nullptr ? value : "";
}

void say(const char* program, const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", program, what.c_str());
}

std::string told(const Failure& failure) {
  const auto* const service = failure.check<ServiceError>();
  const auto& cause = service != nullptr ? service->cause() : failure;
  const auto* const endpoint = cause.check<EndpointError>();
  return failure.message() + (endpoint != nullptr ? '\n' + endpoint->picture() : std::string());
}

/// How long before its deadline a stop cuts what is left, so that it still ends in order.
Duration time_to_cut(Duration deadline) {
  return std::min(deadline / 2, std::max<Duration>(deadline / 10, std::chrono::milliseconds(500)));
}

/// The log as flags and environment want it, for as long as this lives.
class LogConfiguration {
 public:
  explicit LogConfiguration(const Flags& flags) {
    const auto level = setting(flags, "log-level", "WEFT_LOG");
    if (!level.empty()) set_log_level(log_level_named(level));
    const auto path = setting(flags, "log-file", "WEFT_LOG_FILE");
    if (path.empty()) return;
    file_ = std::make_shared<LogFile>(path);
    former_ = set_log_sink(file_);
  }
  ~LogConfiguration() {
    if (file_ != nullptr) set_log_sink(std::move(former_));
  }
  LogConfiguration(const LogConfiguration&) = delete;
  LogConfiguration& operator=(const LogConfiguration&) = delete;

  /// Null where the log goes to standard error.
  [[nodiscard]] LogFile* file() const noexcept { return file_.get(); }

 private:
  std::shared_ptr<LogFile> file_;
  std::shared_ptr<LogSink> former_;
};

class Program final : public Application {
 public:
  Program(std::unique_ptr<Reactor> reactor, const Flags& flags, const char* name,
          LogFile* log_file);
  ~Program() { end(); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  int run(const ServiceMaker& make);
  void set_status(std::string_view text) override { notifier_.status(text); }
  void stop(int exit_status) override {
    status_ = exit_status;
    reactor().stop_from_thread();
  }

 private:
  void start(const ServiceMaker& make);
  Deferred<void> become_ready();
  void started();
  void failed(const Failure& failure);
  Deferred<void> stop_service();
  void listen_for_reloads() override;
  void reopen_log();
  void reload();
  void reloaded();
  void end() noexcept;

  std::unique_ptr<Reactor> own_reactor_;
  const char* const name_;
  LogFile* const log_file_;
  const Duration deadline_;
  std::optional<Privileges> privileges_;
  SystemdNotifier notifier_;
  std::shared_ptr<Service> service_;
  std::optional<LoopingCall> signs_of_life_;
  Watch reload_watch_;
  DelayedCall abort_call_;
  int status_ = stopped_in_order;
  bool stopping_ = false;
  // Not while there is a service that was not seen to stop.
  bool in_order_ = true;
  bool reloading_ = false;
  bool reload_again_ = false;
};

Program::Program(std::unique_ptr<Reactor> own_reactor, const Flags& own_flags, const char* name,
                 LogFile* log_file)
    : Application(*own_reactor, own_flags),
      own_reactor_(std::move(own_reactor)),
      name_(name),
      log_file_(log_file),
      deadline_(own_flags.duration("stop-deadline")),
      notifier_(SystemdNotifier::from_environment()) {
  const auto& user = own_flags.value("user");
  const auto& group = own_flags.value("group");
  if (!user.empty() || !group.empty()) privileges_.emplace(user, group);
}

int Program::run(const ServiceMaker& make) {
  reactor().set_shutdown_deadline(deadline_);
  reactor().add_system_event_trigger(Phase::before, SystemEvent::shutdown,
                                     [this] { return stop_service(); });
  reactor().call_when_running([this, &make] { start(make); });
  if (log_file_ != nullptr) listen_for_reloads();
  reactor().run();
  // Nothing else may take its time where the end is to come at once.
  if (!in_order_) reactor().set_shutdown_deadline(Duration::zero());
  const int status = in_order_ || status_ != stopped_in_order ? status_ : stopped_out_of_order;
  end();
  return status;
}

// What still waits when the reactor ends is told then, and may come back to this object.
void Program::end() noexcept {
  stopping_ = true;
  if (service_ != nullptr) {
    // One whose stop never ends would keep itself for ever.
    reactor().turn().enter_logged("A service could not be aborted",
                                  [this] { service_->abort_service(); });
  }
  signs_of_life_.reset();
  reload_watch_.cancel();
  service_.reset();
  reloads().clear();
  own_reactor_.reset();
}

// ---- start

void Program::start(const ServiceMaker& make) {
  if (const auto interval = notifier_.watchdog_interval()) {
    signs_of_life_.emplace(reactor(), [this] { notifier_.sign_of_life(); });
    static_cast<void>(signs_of_life_->start(*interval / 2));
  }
  static_cast<void>(maybe_deferred([&] {
                      service_ = make(*this);
                      if (!service_) throw InvalidArgument("There is no service to run; make one.");
                      in_order_ = false;
                      return service_->privileged_start_service();
                    })
                        .add_callback([this] { return become_ready(); })
                        .add_callbacks([this] { started(); },
                                       [this](const Failure& failure) { failed(failure); }));
}

Deferred<void> Program::become_ready() {
  if (privileges_) {
    if (log_file_ != nullptr) privileges_->give(log_file_->path());
    privileges_->drop();
  }
  return service_->start_service();
}

void Program::started() {
  // A stop may have come while the start was ending.
  if (stopping_) return;
  log(LogLevel::info, "application", "Started");
  notifier_.ready();
}

void Program::failed(const Failure& failure) {
  // Stopped before it had started is no failure.
  if (stopping_ && failure.check<CancelledError>() != nullptr) return;
  say(name_, told(failure));
  if (log_file_ != nullptr) log_failure("application", "It could not be started", failure);
  stop(not_started);
}

// ---- stop

Deferred<void> Program::stop_service() {
  stopping_ = true;
  notifier_.stopping(deadline_);
  if (!service_) return succeed();
  log(LogLevel::info, "application", "Stopping");
  auto stopped = service_->stop_service();
  abort_call_ = reactor().call_later(deadline_ - time_to_cut(deadline_), [this] {
    log(LogLevel::warning, "application", "The time to stop is nearly over; what is left is cut");
    service_->abort_service();
  });
  return std::move(stopped).add_both([this](const Outcome<void>& outcome) {
    abort_call_.cancel_if_active();
    in_order_ = outcome.succeeded();
    if (outcome) return;
    log_failure("application", "Not everything stopped in order", outcome.failure());
  });
}

// ---- reload

void Program::listen_for_reloads() {
#ifdef SIGHUP
  if (stopping_ || reload_watch_.active()) return;
  reload_watch_ = on_signal(
      reactor(), SIGHUP, [this] { reload(); }, SourceLocation());
#endif
}

// Whoever moved the log away waits for the new one, however long a reload before takes.
void Program::reopen_log() {
  if (log_file_ == nullptr) return;
  try {
    log_file_->reopen();
  } catch (...) {
    log_failure("application", "The log could not be opened anew", Failure::current());
  }
}

void Program::reload() {
  reopen_log();
  if (stopping_) return;
  if (std::exchange(reloading_, true)) {
    reload_again_ = true;
    return;
  }
  notifier_.reloading();
  std::vector<Deferred<void>> reloads_under_way;
  // One of them may add another.
  for (const auto& reload : std::vector(reloads()))
    reloads_under_way.push_back(reload());
  static_cast<void>(deferred_list(std::move(reloads_under_way))
                        .add_callback([this](const std::vector<Outcome<void>>& outcomes) {
                          for (const auto& outcome : outcomes) {
                            if (outcome) continue;
                            log_failure("application", "A reload failed", outcome.failure());
                          }
                          reloaded();
                        }));
}

void Program::reloaded() {
  reloading_ = false;
  if (stopping_) return;
  notifier_.ready();
  if (std::exchange(reload_again_, false)) reload();
}

int run_with(const ServiceMaker& make, const Flags& flags, const char* name,
             const ApplicationOptions& options) {
  const LogConfiguration log_configuration(flags);
  std::optional<PidFile> pid_file;
  if (flags.given("pid-file")) pid_file.emplace(flags.value("pid-file"));
  Program program(make_reactor(flags.value("reactor")), flags, name, log_configuration.file());
  if (options.on_reload) program.on_reload(options.on_reload);
  return program.run(make);
}

}  // namespace

int run_application(const ServiceMaker& make, int argc, const char* const* argv,
                    const ApplicationOptions& options) {
  const char* const name = argc > 0 ? argv[0] : "weft";
  Flags flags = all_flags(options);
  try {
    flags.parse(argc, argv);
    static_cast<void>(flags.duration("stop-deadline"));
    if (flags.given("log-level")) static_cast<void>(log_level_named(flags.value("log-level")));
  } catch (const InvalidArgument& error) {
    say(name, error.what());
    return wrong_flags;
  }
  if (flags.given("help")) {
    std::printf("%s\nUsage: %s [flags]\n\n%s", options.description.c_str(), name,
                flags.help().c_str());
    return stopped_in_order;
  }
  try {
    return run_with(make, flags, name, options);
  } catch (...) {
    say(name, Failure::current().message());
    return not_started;
  }
}

int run_application(std::shared_ptr<Service> service, int argc, const char* const* argv,
                    const ApplicationOptions& options) {
  return run_application([service = std::move(service)](Application&) { return service; }, argc,
                         argv, options);
}

}  // namespace weft
