// SIGINT and SIGTERM, taken for a reactor that runs and given back afterwards.
#pragma once

#include "../../framework/watch.hpp"
#ifndef _WIN32
#include "signal_pipe.hpp"
#endif

namespace weft {

class Reactor;

namespace detail {

/// Takes those of the two signals that the application has left alone. One reactor of a process has
/// them at a time. The third that comes ends the program as if nobody had taken it.
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
#ifdef _WIN32
  [[nodiscard]] Descriptor descriptor() const noexcept {
    return -1;
  }
  bool read_one() noexcept {
    return false;
  }

 private:
  static constexpr int signals = 2;
  bool taken_[signals] = {false, false};
#else
  [[nodiscard]] Descriptor descriptor() const noexcept {
    return pipe_.descriptor();
  }
  /// Reads one signal off the descriptor; false when there is none.
  bool read_one() noexcept {
    return pipe_.read_one() != 0;
  }

 private:
  SignalPipe pipe_;
#endif
};

}  // namespace detail
}  // namespace weft
