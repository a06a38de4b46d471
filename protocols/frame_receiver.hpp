// Cuts a byte stream into frames: what the receivers of strings and of fixed lengths share.
#pragma once

#include "../framework/protocol.hpp"

#include <cstddef>
#include <memory>
#include <string>

namespace weft {

/// Hands whole frames on in order, however the bytes were cut on the way. Nothing is delivered
/// after the connection was asked to close.
class FrameReceiver : public Protocol {
 public:
  /// Holds back frames, those of the same chunk too, until `resume_producing`.
  void pause_producing();
  void resume_producing();

  void data_received(BytesView data) final;
  void change_transport(std::shared_ptr<Transport> transport) override;
  [[nodiscard]] std::string take_undelivered() override;

 protected:
  /// Delivers the frame that `data` begins with, and says how many bytes it took; zero when it is
  /// not whole yet. `data` is never empty.
  virtual std::size_t take_frame(BytesView data) = 0;

 private:
  std::size_t deliver_from(BytesView data);
  void deliver_held();

  std::string unfinished_;
  bool paused_ = false;
  // Another transport took the place of the one that brought what we hold.
  bool giving_up_ = false;
  // Whether the transport is paused by us; longer than `paused_`, until what we hold is delivered.
  bool holding_ = false;
};

}  // namespace weft
