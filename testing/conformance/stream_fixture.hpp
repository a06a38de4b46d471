// What the conformance suite needs to know of a stream transport: how a connected pair is made, and
// how its loop is run.
#pragma once

#include "../../framework/clock.hpp"
#include "../../framework/protocol.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace weft::testing {

class StreamFixture {
 public:
  virtual ~StreamFixture() = default;
  /// Connects the two; both have had their `connection_made` when it returns.
  virtual void connect(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server) = 0;
  /// Runs the loop until `condition` holds. False when it does not come to hold.
  virtual bool spin_until(const std::function<bool()>& condition) = 0;
  /// Runs the loop for some rounds, so that what should not happen has had its chance.
  virtual void spin() = 0;
  [[nodiscard]] virtual Clock& clock() = 0;
  /// True when time is the test's, so that long waits cost nothing.
  [[nodiscard]] virtual bool manual_time() const { return false; }
  virtual void advance(Duration) {}
  /// So many bytes that a quarter of them fills every buffer between the two ends, and the write
  /// marks above them.
  [[nodiscard]] virtual std::size_t more_than_buffers_take() const { return 20'000'000; }
};

/// One kind of transport to be tested, by name.
struct StreamKind {
  std::string name;
  std::function<std::unique_ptr<StreamFixture>()> make;
  /// Behaviours that it cannot show, each with the reason.
  std::map<std::string, std::string> skipped = {};
};

}  // namespace weft::testing
