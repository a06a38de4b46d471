#include "live_bytes_test.hpp"
#include "tls_streams_test.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace weft {
namespace {

// So small that what it keeps itself does not matter.
class Quiet final : public Protocol {
 public:
  void data_received(BytesView data) override { count += data.size(); }
  [[nodiscard]] Transport& way() const { return transport(); }
  std::size_t count = 0;
};

struct Pair {
  std::shared_ptr<Quiet> client = std::make_shared<Quiet>();
  std::shared_ptr<Quiet> server = std::make_shared<Quiet>();
};

// What one end of a connection keeps, without OpenSSL's share, over a carrier in memory.
class TlsMemory : public ::testing::Test {
 protected:
  static constexpr int pairs = 50;
  // A carrier in memory keeps the room of what has passed through it: here a handshake, then
  // bursts.
  static constexpr std::size_t carrier_room = 4 * 1024;
  static constexpr std::size_t handshake = 1'000;

  // After a burst of so many bytes each way.
  static std::int64_t of_plain_end(std::size_t burst) {
    std::vector<Pair> all(pairs);
    std::vector<std::unique_ptr<testing::IoPump>> pumps(pairs);
    const auto before = live_bytes();
    for (std::size_t i = 0; i < pairs; ++i) {
      pumps[i] = std::make_unique<testing::IoPump>(all[i].client, all[i].server,
                                                   testing::Delivery::all_at_once(), carrier_room);
      // The clock's timers have their place from the first one on.
      static_cast<void>(pumps[i]->clock().call_later(Duration::zero(), [] {}));
      pass(all[i], burst, *pumps[i]);
    }
    return (live_bytes() - before) / (2 * pairs);
  }
  std::int64_t of_secured_end(std::size_t burst) {
    std::vector<Pair> all(pairs);
    std::vector<std::unique_ptr<TlsPump>> pumps(pairs);
    const auto before = live_bytes();
    for (std::size_t i = 0; i < pairs; ++i) {
      pumps[i] = std::make_unique<TlsPump>(testing::Delivery::all_at_once(), carrier_room);
      pumps[i]->connect(factory_from([&] { return all[i].client; }),
                        factory_from([&] { return all[i].server; }), client_context_,
                        server_context_);
      pumps[i]->flush();
      static_cast<void>(pumps[i]->outcome().take_result());
      pass(all[i], burst, *pumps[i]);
    }
    return (live_bytes() - before) / (2 * pairs);
  }
  template <class Pump>
  static void pass(const Pair& pair, std::size_t burst, Pump& pump) {
    pair.client->way().write(std::string(burst, 'x'));
    pair.server->way().write(std::string(burst, 'y'));
    pump.flush();
    EXPECT_EQ(pair.server->count, burst);
    EXPECT_EQ(pair.client->count, burst);
  }

  TlsContext client_context_{[] {
    auto options = test_client_options();
    options.resume_sessions = false;
    return options;
  }()};
  TlsContext server_context_{test_server_options()};
};

TEST_F(TlsMemory, NeedsLittleOfOursForAnIdleConnectionAndNothingMoreAfterABurst) {  // 143
  // What a thread keeps for all its connections is there from the first time on.
  static_cast<void>(of_secured_end(300'000));
  const auto plain = of_plain_end(handshake);
  const auto idle = of_secured_end(0) - plain;
  const auto after_burst = of_secured_end(300'000) - of_plain_end(300'000);
  const auto details = "a plain end " + std::to_string(plain) + ", TLS " + std::to_string(idle) +
                       " more, after a burst " + std::to_string(after_burst) + " more";
  RecordProperty("bytes", details);
  EXPECT_LT(idle, 1'400) << details;
  // Most of it is the carrier's: its room grows in other steps with records than with plain bytes.
  EXPECT_LT(after_burst, 3'200) << details;
}

}  // namespace
}  // namespace weft
