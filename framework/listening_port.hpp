// A port that accepts connections: where it is, how it stops, and how its connections end.
#pragma once

#include "address.hpp"
#include "clock.hpp"
#include "deferred.hpp"

#include <cstddef>
#include <memory>

namespace weft {

class Listener;

/// What `listen_tcp` gives: a handle to the port. Dropping it leaves the port open until its
/// reactor ends.
class ListeningPort {
 public:
  ListeningPort() noexcept;
  explicit ListeningPort(std::shared_ptr<Listener> listener) noexcept;

  /// Where it listens, with the port that the system chose for port 0; remembered after `stop`.
  [[nodiscard]] Address address() const;
  [[nodiscard]] bool listening() const noexcept;
  /// How many of its connections are open.
  [[nodiscard]] std::size_t connections() const noexcept;

  /// Accepts nobody for now: who connects waits in the system's queue, which turns peers away when
  /// it is full. Pauses are counted: two who pause must both resume. Harmless once it has stopped.
  void pause_accepting();
  /// Accepts again, beginning when the loop comes round.
  void resume_accepting();
  /// Whether it listens and is not paused.
  [[nodiscard]] bool accepting() const noexcept;

  /// Accepts no more. Its connections live on. Harmless when repeated.
  void stop();
  /// Fires when it accepts no more.
  [[nodiscard]] Deferred<void> stopped() const;
  /// Fires when it accepts no more and its last connection is gone.
  [[nodiscard]] Deferred<void> drained() const;
  /// Stops, and closes its connections: those that have not flushed after `deadline` are aborted.
  /// Fires when drained.
  Deferred<void> close_connections(Duration deadline);

 private:
  std::shared_ptr<Listener> listener_;
};

}  // namespace weft
