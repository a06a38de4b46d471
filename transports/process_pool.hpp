// Worker processes that run functions of ours: what may crash, hang or take all memory does it
// there.
#pragma once

#include "../framework/deferred.hpp"
#include "../framework/process.hpp"
#include "../framework/reactor.hpp"
#include "../framework/source_location.hpp"
#include "../framework/thread_pool.hpp"
#include "worker_function.hpp"

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

// ---- what can go wrong

/// The function threw, in its worker. What it threw comes as itself where it is a CancelledError,
/// TimeoutError or InvalidArgument of weft's, or one of <stdexcept>.
class RemoteError : public Error {
 public:
  RemoteError(const std::string& function, std::string type_name, std::string said);
  /// Of what was thrown, as written in C++: "shop::OutOfStock".
  [[nodiscard]] const std::string& type_name() const noexcept { return type_name_; }
  /// What its `what()` said.
  [[nodiscard]] const std::string& said() const noexcept { return said_; }

 private:
  std::string type_name_;
  std::string said_;
};
/// The function asked for more memory than it may have (std::bad_alloc).
class WorkerOutOfMemory : public RemoteError {
 public:
  using RemoteError::RemoteError;
};
/// The worker ended, or was ended, while it ran the call.
class WorkerLost : public Error {
 public:
  /// `said` is the end of what it wrote to its standard error.
  WorkerLost(const std::string& function, ProcessStatus status, std::string said);
  [[nodiscard]] const ProcessStatus& status() const noexcept { return status_; }
  [[nodiscard]] const std::string& said() const noexcept { return said_; }

 private:
  ProcessStatus status_;
  std::string said_;
};
/// Workers end, or say nothing, before they take a call.
class WorkerStartError : public Error {
 public:
  using Error::Error;
};
/// The workers know no function of that name.
class UnknownWorkerFunction : public Error {
 public:
  using Error::Error;
};
/// Arguments or a result are larger than `max_message_bytes`.
class WorkerMessageTooLong : public FrameTooLong {
 public:
  using FrameTooLong::FrameTooLong;
};
/// A worker wanted workers of its own, or a program forgot that it is one.
class NestedProcessPool : public Error {
 public:
  using Error::Error;
};

// ---- the pool

/// What one call may take.
struct CallOptions {
  CallOptions() {}
  /// From when a worker begins it; the worker is killed then. As long as it likes unless set.
  std::optional<Duration> timeout;
  /// How much memory (address space) it may take beyond what the worker has; any unless set.
  std::optional<std::size_t> max_memory_bytes;
};

/// How many workers, and what they may do.
struct ProcessPoolOptions {
  static constexpr std::size_t default_max_queued = 100'000;
  static constexpr std::size_t default_max_message_bytes = 64 * 1024 * 1024;

  ProcessPoolOptions() {}
  /// Workers are started when there are calls for them; as many as the machine has processors
  /// unless set.
  std::size_t max_workers = 0;
  /// As many are started at once.
  std::size_t min_workers = 0;
  /// How many calls may wait beyond those that the workers run.
  std::size_t max_queued = default_max_queued;
  /// A worker is replaced when it has run as many, so that what it leaks goes; never unless set.
  std::optional<std::size_t> max_calls_per_worker;
  /// For the arguments of one call, and for its result; a little less than 4 GiB at most.
  std::size_t max_message_bytes = default_max_message_bytes;
  /// For calls that are given no options.
  CallOptions call;
  /// How long a worker may take to start.
  Duration start_timeout = std::chrono::seconds(10);
  /// How long calls that run have when the reactor stops.
  Duration grace = std::chrono::seconds(5);
  /// What workers run, and its arguments; this program unless set. It must call `run_worker`, for
  /// which one more argument is the last.
  std::string program;
  std::vector<std::string> arguments;
  /// Lets a worker have a pool of its own.
  bool allow_in_worker = false;
};

/// What a pool does just now.
struct ProcessPoolStats {
  /// Those that take calls, or run one.
  std::size_t workers = 0;
  /// Of these, how many run a call.
  std::size_t busy = 0;
  /// Those that are not ready yet.
  std::size_t starting = 0;
  /// How many calls have not begun.
  std::size_t queued = 0;
  /// The workers that were started, since the beginning.
  std::uint64_t started = 0;
  /// The workers' process numbers.
  std::vector<std::int64_t> pids;
};

namespace detail {

class ProcessPoolCore;

/// The first argument of a call, with the place of that: behind all of them there is no room for
/// it.
template <class T>
struct CallArgument {
  template <class Given>
  requires std::convertible_to<Given&&, T> CallArgument(
      Given&& given, SourceLocation called_at = SourceLocation::current())
      : value(static_cast<T>(std::forward<Given>(given))), where(called_at) {}

  T value;
  SourceLocation where;
};

}  // namespace detail

/// Runs registered functions in worker processes: this program, started again, whose `main` begins
/// with `run_worker`. Calls begin in the order in which they were made. A worker that dies is
/// replaced; one that ended young, without ever being given a call, after a pause that grows to ten
/// seconds, unless a call needs one before. Lifetime: the pool stops with its reactor; destroying
/// it kills the workers, and fails the calls with NotRunningError.
class ProcessPool {
 public:
  /// Errors: InvalidArgument; NestedProcessPool in a worker; NotSupportedOnThisPlatform.
  explicit ProcessPool(Reactor& reactor, ProcessPoolOptions options = {});
  ~ProcessPool();
  ProcessPool(const ProcessPool&) = delete;
  ProcessPool& operator=(const ProcessPool&) = delete;

  /// Runs `function(args...)` in a worker. Cancelling takes a call that has not begun out of the
  /// queue, and kills the worker that runs it. Errors, through the deferred: RemoteError or
  /// what the function threw; WorkerLost; WorkerOutOfMemory; TimeoutError; QueueFull;
  /// WorkerMessageTooLong; UnknownWorkerFunction; WorkerStartError; ProtocolError when a worker
  /// does not speak like one; NotRunningError when the pool stops.
  /// Thrown at once: what the conversion of an argument throws.
  template <class R, class First, class... Rest>
  Deferred<R> call(const WorkerFunction<R(First, Rest...)>& function,
                   std::type_identity_t<detail::CallArgument<First>> first,
                   std::type_identity_t<Rest>... rest) {
    return call(call_options(), function, std::move(first), std::forward<Rest>(rest)...);
  }
  template <class R>
  Deferred<R> call(const WorkerFunction<R()>& function,
                   SourceLocation where = SourceLocation::current()) {
    return call(call_options(), function, where);
  }
  /// The same with limits of its own.
  template <class R, class First, class... Rest>
  Deferred<R> call(const CallOptions& options, const WorkerFunction<R(First, Rest...)>& function,
                   std::type_identity_t<detail::CallArgument<First>> first,
                   std::type_identity_t<Rest>... rest) {
    return call_with<R>(
        options, function.name(), first.where,
        std::tuple<First, Rest...>(std::forward<First>(first.value), std::forward<Rest>(rest)...));
  }
  template <class R>
  Deferred<R> call(const CallOptions& options, const WorkerFunction<R()>& function,
                   SourceLocation where = SourceLocation::current()) {
    return call_with<R>(options, function.name(), where, std::tuple<>());
  }

  /// Takes no more calls, fails those that have not begun, and fires when all workers are gone,
  /// which are killed after `deadline`. Once more, it fires with the first; the shorter deadline
  /// counts. It also fires when the pool or its reactor goes meanwhile, which kills the workers.
  Deferred<void> stop(Duration deadline, SourceLocation where = SourceLocation::current());

  [[nodiscard]] ProcessPoolStats stats() const;

 private:
  [[nodiscard]] const CallOptions& call_options() const noexcept;
  template <class R, class Arguments>
  Deferred<R> call_with(const CallOptions& options, const std::string& function,
                        const SourceLocation& where, const Arguments& arguments) {
    try {
      return call_packed(function, detail::pack(arguments), options, where)
          .add_callback(
              [](const std::string& packed) -> R {
                if constexpr (!std::is_void_v<R>) return detail::unpack<R>(packed);
              },
              where);
    } catch (...) {
      return fail<R>(Failure::current());
    }
  }
  Deferred<std::string> call_packed(const std::string& function, std::string arguments,
                                    const CallOptions& options, const SourceLocation& where);

  std::shared_ptr<detail::ProcessPoolCore> core_;
};

/// The same as `pool.call(function, args...)`.
template <class R, class First, class... Rest>
Deferred<R> defer_to_process(ProcessPool& pool, const WorkerFunction<R(First, Rest...)>& function,
                             std::type_identity_t<detail::CallArgument<First>> first,
                             std::type_identity_t<Rest>... rest) {
  return pool.call(function, std::move(first), std::forward<Rest>(rest)...);
}
template <class R>
Deferred<R> defer_to_process(ProcessPool& pool, const WorkerFunction<R()>& function,
                             SourceLocation where = SourceLocation::current()) {
  return pool.call(function, where);
}

}  // namespace weft
