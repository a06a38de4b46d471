// Logs what goes over a factory's connections, for whoever wants to see what happens.
#pragma once

#include "../framework/factory.hpp"
#include "../framework/logging.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace weft {

/// How traffic is logged.
struct TrafficLogOptions {
  TrafficLogOptions() {}
  LogLevel level = LogLevel::info;
  /// How much of each piece is shown; zero shows sizes alone.
  std::size_t max_shown_bytes = 64;
  /// Given each line in place of the log.
  std::function<void(const std::string& line)> sink;
};

/// A factory whose connections log when they begin, what comes (`<`) and is written (`>`) with what
/// cannot be printed escaped, half-closes, and why they end. It shows secrets as readily as the
/// rest.
[[nodiscard]] std::shared_ptr<Factory> traffic_log(std::shared_ptr<Factory> factory,
                                                   TrafficLogOptions options = {});

}  // namespace weft
