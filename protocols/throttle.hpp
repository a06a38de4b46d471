// Holds a factory's connections to so many bytes a second.
#pragma once

#include "../framework/factory.hpp"

#include <cstdint>
#include <memory>

namespace weft {

/// Bytes a second, measured where the protocol reads and writes; zero for no limit.
struct Bandwidth {
  Bandwidth() {}
  Bandwidth(std::uint64_t read_bytes, std::uint64_t write_bytes)
      : read(read_bytes), write(write_bytes) {}
  std::uint64_t read = 0;
  std::uint64_t write = 0;
};

/// What each connection may use, and what all of the factory's may use together.
struct ThrottleLimits {
  ThrottleLimits() {}
  explicit ThrottleLimits(Bandwidth each, Bandwidth all = {}) : per_connection(each), in_all(all) {}
  Bandwidth per_connection;
  Bandwidth in_all;
};

/// A factory whose connections keep to `limits` in the long run. After a rest, a tenth of a
/// second's worth may go at once, and what has arrived in one read is not cut; the time it took too
/// much is waited for afterwards. What may not go yet counts as written and unsent: it moves the
/// water marks, and a close waits for it within the linger time.
[[nodiscard]] std::shared_ptr<Factory> throttle(std::shared_ptr<Factory> factory,
                                                ThrottleLimits limits);

}  // namespace weft
