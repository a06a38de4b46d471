// Which of a name's addresses to connect to when: RFC 8305, without a socket.
#pragma once

#include "address.hpp"
#include "clock.hpp"
#include "deferred.hpp"
#include "resolver.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// How patient a connect to a name is. Source: RFC 8305, 8
struct HappyEyeballsOptions {
  HappyEyeballsOptions() {}
  /// How long an attempt may last before the next begins beside it.
  Duration attempt_delay = std::chrono::milliseconds(250);
  /// How long known IPv4 addresses wait for the name's IPv6 addresses.
  Duration resolution_delay = std::chrono::milliseconds(50);
  /// The one family to look up and to try, where our own end is of that.
  std::optional<Address::Family> only;
};

/// Looks a name up and races its addresses: the families take turns, beginning with the one that
/// the resolver prefers; each attempt is given `attempt_delay` before the next begins beside it,
/// and one that fails makes way at once. The first to succeed wins, and the others are abandoned.
class HappyEyeballs : public std::enable_shared_from_this<HappyEyeballs> {
 public:
  /// Who makes the attempts. Lifetime: it must `cancel` the race, or drop it, before it goes.
  class Attempts {
   public:
    virtual ~Attempts();
    /// Begins to connect to `address`, and says once what came of it by `succeeded` or `failed`,
    /// inside this call too. Attempts are counted from zero.
    virtual void start_attempt(std::size_t attempt, const Address& address) = 0;
    /// Another has won, or the race was cancelled: closes what the attempt has opened. Nothing need
    /// be said of it any more; what is said is ignored, so what succeeds late is to be closed.
    virtual void abandon_attempt(std::size_t attempt) noexcept = 0;
    /// The race is over; nothing is called after one of these.
    virtual void race_won(std::size_t attempt) = 0;
    virtual void race_lost(Failure reason) = 0;
  };

  /// A race that has not begun; `target` is what messages call the goal.
  static std::shared_ptr<HappyEyeballs> make(Clock& clock, Attempts& attempts, std::string target,
                                             const HappyEyeballsOptions& options = {});
  HappyEyeballs(const HappyEyeballs&) = delete;
  HappyEyeballs& operator=(const HappyEyeballs&) = delete;
  ~HappyEyeballs();

  /// Looks `host` up, and races what is found.
  void start(Resolver& resolver, const std::string& host, Port port);
  /// Races addresses that are known.
  void start(std::vector<Address> addresses);
  /// Ends the race without an outcome: forgets the look-up and abandons the attempts.
  void cancel() noexcept;

  /// What attempts say.
  void succeeded(std::size_t attempt);
  void failed(std::size_t attempt, Failure reason);

  /// True once it has been won, lost or cancelled.
  [[nodiscard]] bool over() const noexcept { return over_; }

 private:
  enum class State : std::uint8_t { running, failed };

  HappyEyeballs(Clock& clock, Attempts& attempts, std::string target,
                const HappyEyeballsOptions& options);

  void await_both(Deferred<std::vector<Address>> lookup);
  void await_family(Address::Family family, Deferred<std::vector<Address>> lookup);
  void found(const std::vector<Address>& addresses);
  void lookup_ended();
  void proceed();
  void try_next();
  [[nodiscard]] std::optional<Address> take_next();
  void lose();
  void finish() noexcept;
  [[nodiscard]] Failure nothing_to_try() const;
  [[nodiscard]] bool any_running() const noexcept;

  Clock& clock_;
  Attempts& attempts_;
  std::string target_;
  HappyEyeballsOptions options_;

  std::vector<Canceller> lookups_;
  std::size_t lookups_pending_ = 0;
  bool ipv6_pending_ = false;
  std::vector<Failure> lookup_failures_;
  std::size_t left_out_ = 0;

  std::deque<Address> ipv6_;
  std::deque<Address> ipv4_;
  std::optional<Address::Family> next_family_;
  std::vector<State> states_;
  std::vector<Failure> failures_;
  DelayedCall resolution_delay_;
  DelayedCall attempt_delay_;
  bool begun_ = false;
  bool starting_ = false;
  bool over_ = false;
};

namespace detail {

/// The one failure to tell of several to connect to `target`: the most telling, with all of them in
/// its message.
[[nodiscard]] Failure most_telling(const std::string& target, const std::vector<Failure>& failures);

}  // namespace detail

}  // namespace weft
