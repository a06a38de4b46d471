// What every listening port does, whatever accepts for it: for those who write transports.
#pragma once

#include "address.hpp"
#include "clock.hpp"
#include "deferred.hpp"
#include "detail/held_context.hpp"
#include "detail/waiting_line.hpp"
#include "factory.hpp"
#include "stream_transport.hpp"
#include "turn.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <system_error>
#include <unordered_set>
#include <utility>

namespace weft {

/// Builds protocols for accepted connections, counts them, and ends with its loop. A carrier
/// derives from it, and calls `opened` when it is bound and `accepted` for each connection.
/// Lifetime: made by std::make_shared; keeps itself alive while it listens.
class Listener : public StreamOwner,
                 public Turn::Participant,
                 public std::enable_shared_from_this<Listener> {
 public:
  ~Listener() override;

  [[nodiscard]] const Address& address() const noexcept { return address_; }
  [[nodiscard]] bool listening() const noexcept { return listening_; }
  [[nodiscard]] std::size_t connections() const noexcept { return open_.size(); }
  [[nodiscard]] bool accepting() const noexcept { return listening_ && pauses_ == 0; }
  void pause_accepting() noexcept;
  void resume_accepting() noexcept;
  void stop();
  Deferred<void> stopped();
  Deferred<void> drained();
  Deferred<void> close_connections(Duration deadline);
  /// Counts its open connections in `tally` too, which other threads may read; before the first.
  void count_in(std::shared_ptr<std::atomic<std::size_t>> tally) noexcept {
    tally_ = std::move(tally);
  }

  void connection_closed(StreamTransport& transport) noexcept final;
  [[nodiscard]] PendingWork describe() const override;

 protected:
  Listener(Clock& clock, std::shared_ptr<Factory> factory);

  /// It is bound, and may accept from now on. Errors: what `start_factory` throws.
  void opened(Address address);
  /// Gives a new connection its protocol, or closes it where the factory refuses.
  void accepted(const std::shared_ptr<StreamTransport>& transport) noexcept;
  /// The system has no descriptor or memory for another connection: says so once, and calls
  /// `accept_again` after a pause.
  void rest(std::error_code reason) noexcept;
  /// Accepting works again: the next trouble is news.
  void rested() noexcept { short_of_resources_ = false; }
  [[nodiscard]] Clock& clock() const noexcept { return clock_; }

 private:
  /// Accepts no more; called once.
  virtual void close_port() noexcept = 0;
  /// Accepts nobody until `accept_again` is called. Connections that the carrier has already may
  /// come now, or wait for that too.
  virtual void hold_port() noexcept {}
  /// The port still listens, and what kept it from accepting is over: what `rest` began, or
  /// `hold_port`.
  virtual void accept_again() noexcept {}

  void flush() noexcept final {}
  void wake() noexcept final;
  void loop_ended() noexcept final;
  void accept_soon() noexcept;
  void check_drained() noexcept;

  Clock& clock_;
  // Nobody else need keep it while it listens.
  std::shared_ptr<Listener> self_;
  std::shared_ptr<Factory> factory_;
  // What each connection's own is begun with.
  detail::HeldContext context_;
  Address address_;
  std::unordered_set<StreamTransport*> open_;
  std::shared_ptr<std::atomic<std::size_t>> tally_;
  DelayedCall rest_call_;
  detail::WaitingLine<void> waiting_for_stop_;
  detail::WaitingLine<void> waiting_for_drain_;
  std::size_t pauses_ = 0;
  bool listening_ = false;
  bool short_of_resources_ = false;
  // Accepting is to go on when the loop comes round.
  bool accepts_soon_ = false;
};

}  // namespace weft
