// SIGINT and SIGTERM, taken for a reactor that runs and given back afterwards.
#pragma once

#include "../../framework/watch.hpp"

namespace weft {

class Reactor;

namespace detail {

/// Takes those of the two signals that the application has left alone. One reactor of a process has
/// them at a time. The third that comes ends the program as if nobody had taken it. Asio's own
/// signal sets cannot be used: their handler is one C function for all backends of a program.
class StopSignals {
 public:
  StopSignals() = default;
  ~StopSignals() { give_back(); }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// True when any was taken. On POSIX `descriptor` then becomes readable with each signal; on
  /// Windows `reactor.stop_from_thread` is called. Errors: std::system_error.
  bool take(Reactor& reactor);
  void give_back() noexcept;
  [[nodiscard]] Descriptor descriptor() const noexcept { return read_end_; }
  /// Reads one signal off the descriptor; false when there is none.
  bool read_one() noexcept;

 private:
  static constexpr int signals = 2;
  bool taken_[signals] = {false, false};
  int read_end_ = -1;
  int write_end_ = -1;
};

}  // namespace detail
}  // namespace weft
