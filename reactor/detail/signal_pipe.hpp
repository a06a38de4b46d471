// Signals of this process as bytes that a loop can wait for. POSIX.
#pragma once

#include "../../framework/watch.hpp"

#include <memory>
#include <vector>

namespace weft::detail {

/// Takes signals, and tells each that comes through a pipe. A signal has one taker at a time.
/// Asio's own signal sets cannot be used: their handler is one C function for all backends of a
/// program. Thread: a signal may come in any; the rest belongs to one.
class SignalPipe {
 public:
  enum class Take {
    /// Only what the application has left alone.
    where_default,
    /// Also what is ignored, or has another handler.
    anyway,
  };

  SignalPipe() noexcept;
  ~SignalPipe();
  SignalPipe(const SignalPipe&) = delete;
  SignalPipe& operator=(const SignalPipe&) = delete;

  /// Opens the pipe. The `patience`-th signal that comes ends the program as if nobody had taken
  /// it, whatever the loop is stuck in; zero for endless patience. Errors: std::system_error.
  void open(int patience);
  /// False when somebody has it. Errors: InvalidArgument when it cannot be caught.
  bool take(int signal, Take which);
  /// What the signals did before they do again, except where somebody has replaced us. Closes the
  /// pipe.
  void give_back() noexcept;

  /// Becomes readable with each signal.
  [[nodiscard]] Descriptor descriptor() const noexcept;
  /// Reads one signal off the descriptor; zero when there is none.
  int read_one() noexcept;

  struct Taker;

 private:
  std::unique_ptr<Taker> taker_;
  std::vector<int> taken_;
};

}  // namespace weft::detail
