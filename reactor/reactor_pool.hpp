// Several reactors, each in a thread of its own: one port for all of them, and calls between them.
#pragma once

#include "../framework/deferred.hpp"
#include "../framework/error.hpp"
#include "../framework/factory.hpp"
#include "../framework/gather.hpp"
#include "../framework/reactor.hpp"
#include "../framework/thread_pool.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft {

class PoolPort;

namespace detail {
class PoolCore;
struct PoolPortState;
}  // namespace detail

/// A thread could not be bound to a core: there is no such core, or this program may not use it.
class AffinityError : public Error {
 public:
  using Error::Error;
};

/// The cores that this program may use, by the system's numbers; none where the system does not
/// tell.
[[nodiscard]] std::vector<int> usable_cores();

struct ReactorPoolOptions {
  ReactorPoolOptions() {}
  /// Which loop, as for `make_reactor`.
  std::string reactor;
  /// Threads are called "weft-0", "weft-1" and so on; the system keeps 15 letters.
  std::string thread_name = "weft";
  /// Binds the thread of reactor i to `cores[i % cores.size()]`. Empty: the system moves them as it
  /// likes, which is best unless the machine has nothing else to do.
  std::vector<int> cores;
  /// Whether SIGINT and SIGTERM stop the pool.
  bool stop_on_signals = true;
  /// How long all of an orderly shutdown may take.
  Duration shutdown_deadline = std::chrono::seconds(10);
};

/// Who gets a new connection.
enum class Spread : std::uint8_t {
  /// One reactor accepts, and gives connections to all in turn.
  round_robin,
  /// The same, to the one that has the fewest of this port.
  fewest_connections,
  /// Each reactor listens on a socket of its own (SO_REUSEPORT), and the system chooses by a hash
  /// of the addresses: the most connections a second, but few are spread unevenly.
  by_system,
};

/// Makes the factory of one reactor.
using FactoryMaker = std::function<std::shared_ptr<Factory>(Reactor&)>;

/// A reactor for each core. What one of them hands out belongs to its thread alone, so protocols
/// need no locks; `call_on` and `Topic` carry what must go from one to another. When one reactor
/// stops, by a signal, by its own `stop` or by an error, all do.
/// Lifetime: the destructor stops it and waits. Thread: any, unless it says otherwise.
class ReactorPool {
 public:
  /// Makes the reactors, one for each core unless told how many. They run after `run` or `start`;
  /// until then the thread that makes the pool may prepare them. Errors: as `make_reactor`;
  /// InvalidArgument for none.
  explicit ReactorPool(std::optional<std::size_t> count = std::nullopt,
                       const ReactorPoolOptions& options = {});
  ~ReactorPool();
  ReactorPool(const ReactorPool&) = delete;
  ReactorPool& operator=(const ReactorPool&) = delete;

  /// Runs reactor 0 in this thread and the others in threads of their own, until all have ended.
  /// Errors: AlreadyRunningError, also where it has run before; AffinityError and std::system_error
  /// before any reactor runs; what a reactor died of, after the others have ended in order.
  void run();
  /// Runs all in threads of their own. Errors: those that `run` has before any reactor runs.
  void start();
  /// Waits until all have ended. Errors: what a reactor died of; WrongThreadError in a thread of
  /// the pool; NotRunningError when it was never started.
  void join();
  /// Begins the orderly shutdown of all reactors, each with its own triggers. Reactor 0 ends last.
  /// Errors: NotRunningError when it does not run, or is stopping already.
  void stop();
  /// The same; does nothing where `stop` would throw.
  void stop_from_thread() noexcept;
  /// From `run` or `start` until the last reactor has ended.
  [[nodiscard]] bool running() const noexcept;

  [[nodiscard]] std::size_t size() const noexcept;
  /// Errors: InvalidArgument when there is none of that number.
  [[nodiscard]] Reactor& reactor(std::size_t index) const;
  /// The number of the reactor that runs this code; nothing when it is none of these.
  [[nodiscard]] std::optional<std::size_t> index() const noexcept;

  /// Listens on one TCP port for all reactors. Each has a factory of its own: before the pool runs
  /// `make_factory` is called here, one reactor after another, with `Reactor::current()` set; later
  /// in the threads of the reactors, at the same time. What it throws here is thrown; what it
  /// throws there is logged, and stops the port.
  /// Errors: AddressInUse, ListenError; NotSupportedOnThisPlatform outside of Linux;
  /// NotRunningError when the pool has ended.
  PoolPort listen_tcp(Port port, FactoryMaker make_factory, const ListenOptions& options = {},
                      Spread spread = Spread::round_robin);
  /// The same at a UNIX socket, which knows no `Spread::by_system`: that is an InvalidArgument.
  PoolPort listen_unix(std::string path, FactoryMaker make_factory,
                       const UnixListenOptions& options = {}, Spread spread = Spread::round_robin);

  /// Calls `f(Reactor&)` in reactor `index`, never inside this call; calls from one thread keep
  /// their order. What it returns, or the Deferred that it returns fires with, arrives in the
  /// reactor that runs this code. Cancelling forgets the result; the call goes on.
  /// Thread: that of a reactor of this pool; WrongThreadError in others, which have
  /// `call_from_thread`. Errors: what the call throws; NotRunningError when either reactor ends
  /// before. InvalidArgument is thrown at once.
  template <class F>
  auto call_on(std::size_t index, F f);
  /// Calls copies of `f(Reactor&)` in all reactors. Gives all results, in the order of the
  /// reactors, or FirstError.
  template <class F>
  auto call_on_all(F f);

  /// Calls `f(Reactor&)` in reactor `index`. False when that one is ending and the call will never
  /// be made. What it throws is logged.
  template <class F>
  bool call_from_thread(std::size_t index, F f) {
    return post(index, [f = std::move(f), &reactor = reactor(index)]() mutable { f(reactor); });
  }
  /// Calls copies of `f(Reactor&)` in all reactors. False when one of them will not make it.
  template <class F>
  bool call_all_from_thread(F f) {
    bool all = true;
    for (std::size_t i = 0; i < size(); ++i)
      all = call_from_thread(i, f) && all;
    return all;
  }

 private:
  friend class PoolPort;

  bool post(std::size_t index, Callback call);
  // The reactor that runs this code, and the way back to it.
  struct Home {
    Reactor& reactor;
    std::shared_ptr<detail::ThreadDoor> door;
  };
  [[nodiscard]] Home home() const;
  template <class Listen>
  PoolPort listening(Spread spread, Listen listen);

  std::shared_ptr<detail::PoolCore> core_;
};

/// A port of all reactors of a pool. Copies are handles to the same; dropping them leaves the port
/// open. One that outlives its pool is harmless. Thread: any, unless it says otherwise.
class PoolPort {
 public:
  PoolPort() noexcept;

  /// Where it listens, with the port that the system chose for port 0; remembered after `stop`.
  [[nodiscard]] Address address() const;
  /// Until it was told to stop, or could not begin.
  [[nodiscard]] bool listening() const noexcept;
  /// How many of its connections are open, in all reactors and on the way to them.
  [[nodiscard]] std::size_t connections() const noexcept;

  /// Accepts no more. Its connections live on. Harmless when repeated.
  void stop();
  /// Fires when it accepts no more and its last connection is gone, in every reactor.
  /// Thread: that of a reactor of the pool; WrongThreadError in others.
  [[nodiscard]] Deferred<void> drained() const;
  /// Stops, and closes its connections: those that have not flushed after `deadline` are aborted.
  /// Fires when drained. Thread: as `drained`.
  Deferred<void> close_connections(Duration deadline);

 private:
  friend class ReactorPool;
  explicit PoolPort(std::shared_ptr<detail::PoolPortState> state) noexcept;
  template <class Ask>
  Deferred<void> ask_all(Ask ask) const;

  std::shared_ptr<detail::PoolPortState> state_;
};

namespace detail {

/// Brings the outcome of a call to the reactor that asked for it, and the news that there will be
/// none when it is destroyed before: then the reactor that should have called has ended.
template <class R>
class Courier {
 public:
  Courier(Reactor& home, std::shared_ptr<ThreadDoor> door, std::shared_ptr<ThreadResult<R>> result)
      : home_(home), door_(std::move(door)), result_(std::move(result)) {}
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;
  ~Courier() {
    if (result_ != nullptr) send();
  }
  void bring(Outcome<R> outcome) noexcept {
    result_->outcome = std::move(outcome);
    send();
  }

 private:
  void send() noexcept {
    try {
      door_->pass([&] {
        // A reactor that takes no more calls gives its debts up itself, as does one without memory.
        static_cast<void>(home_.call_from_thread([door = door_, result = result_] {
          door->settle(result);
          result->outcome ? result->fire() : result->give_up();
        }));
      });
    } catch (...) {
      result_.reset();
    }
    result_.reset();
  }

  Reactor& home_;
  std::shared_ptr<ThreadDoor> door_;
  std::shared_ptr<ThreadResult<R>> result_;
};

/// A call in another reactor, kept until what it returned has fired.
template <class F, class R>
struct CallOn {
  CallOn(F f, Reactor& home, std::shared_ptr<ThreadDoor> door,
         std::shared_ptr<ThreadResult<R>> result)
      : call(std::move(f)), courier(home, std::move(door), std::move(result)) {}

  static void begin(const std::shared_ptr<CallOn>& self, Reactor& reactor) {
    const auto brought =
        maybe_deferred([&] { return self->call(reactor); }).add_both([self](Outcome<R> outcome) {
          self->courier.bring(std::move(outcome));
        });
  }

  F call;
  Courier<R> courier;
};

}  // namespace detail

template <class F>
auto ReactorPool::call_on(std::size_t index, F f) {
  using R = detail::ReturnedValue<std::invoke_result_t<F&, Reactor&>>;
  auto& target = reactor(index);
  const auto here = home();
  auto result = std::make_shared<detail::ThreadResult<R>>();
  auto deferred = result->promise.emplace(Callback(), SourceLocation::current()).deferred();
  here.door->expect(result);
  auto call = std::make_shared<detail::CallOn<F, R>>(std::move(f), here.reactor, here.door, result);
  const bool accepted = post(index, [call, &target] { detail::CallOn<F, R>::begin(call, target); });
  // Else the call, dropped here, sends the news.
  static_cast<void>(accepted);
  return deferred;
}

template <class F>
auto ReactorPool::call_on_all(F f) {
  using R = detail::ReturnedValue<std::invoke_result_t<F&, Reactor&>>;
  std::vector<Deferred<R>> results;
  results.reserve(size());
  for (std::size_t i = 0; i < size(); ++i)
    results.push_back(call_on(i, f));
  return gather_results(std::move(results));
}

}  // namespace weft
