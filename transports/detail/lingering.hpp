// A carrier that waits for its peer at a close, and may be told that it need not.
#pragma once

namespace weft::detail {

class Lingering {
 public:
  /// The stream that it carries waits for nothing more. `peer_ended` when its peer has said that
  /// nothing follows: the close need not wait for it then. Whoever sends more all the same may see
  /// a reset.
  virtual void linger_less(bool peer_ended) noexcept = 0;

 protected:
  ~Lingering() = default;
};

}  // namespace weft::detail
