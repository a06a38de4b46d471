// A protocol that remembers everything that happened to it: the usual peer in a test.
#pragma once

#include "../framework/protocol.hpp"
#include "../framework/transport.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace weft::testing {

class AccumulatingProtocol : public Protocol {
 public:
  /// What came, all together.
  std::string data;
  /// "made", "data", "eof", "pause", "resume", "lost", in the order in which they happened; runs of
  /// "data" count once.
  std::vector<std::string> events;
  /// Why the connection was lost, once it was.
  std::optional<Failure> reason;

  // Called behind what is remembered, where a test sets them.
  std::function<void(AccumulatingProtocol&)> on_made;
  std::function<void(AccumulatingProtocol&, BytesView)> on_data;
  std::function<void(AccumulatingProtocol&)> on_eof;
  std::function<void(AccumulatingProtocol&)> on_pause;
  std::function<void(AccumulatingProtocol&)> on_resume;
  std::function<void(AccumulatingProtocol&)> on_lost;

  /// The transport, for the test to use.
  [[nodiscard]] Transport& way() const { return transport(); }
  [[nodiscard]] bool made() const { return !events.empty(); }
  [[nodiscard]] bool lost() const { return reason.has_value(); }
  /// True when it was lost with an E.
  template <class E>
  [[nodiscard]] bool lost_with() const {
    return reason && reason->check<E>() != nullptr;
  }

  void connection_made() override;
  void data_received(BytesView bytes) override;
  void eof_received() override;
  void pause_writing() override;
  void resume_writing() override;
  void connection_lost(const Failure& failure) override;
};

}  // namespace weft::testing
