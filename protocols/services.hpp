// The classic small services: echo, discard, chargen, daytime, time and quote of the day.
#pragma once

#include "../framework/producer.hpp"
#include "../framework/protocol.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <utility>

namespace weft {

/// Tells what time it is.
using WallClock = std::function<std::chrono::system_clock::time_point()>;

/// Sends back what it receives, no faster than the peer takes it. Source: RFC 862
class Echo final : public Protocol {
 public:
  void data_received(BytesView data) override;
  void pause_writing() override;
  void resume_writing() override;
};

/// Takes everything and says nothing. Source: RFC 863
class Discard final : public Protocol {
 public:
  void data_received(BytesView) override {}
};

/// Sends lines of 72 printable characters for as long as the peer takes them, and ends when the
/// peer has ended. Source: RFC 864
class Chargen final : public Protocol, private Producer {
 public:
  void connection_made() override;
  void data_received(BytesView) override {}
  void eof_received() override;

 private:
  void resume_producing() override;
  void stop_producing() override {}

  Bytes lines_;
};

/// Sends date and time in words, UTC, and closes. Source: RFC 867
class Daytime final : public Protocol {
 public:
  explicit Daytime(WallClock now = std::chrono::system_clock::now) : now_(std::move(now)) {}
  void connection_made() override;
  void data_received(BytesView) override {}

 private:
  WallClock now_;
};

/// Sends the seconds since 1900 as four bytes in network byte order, and closes; they begin again
/// at zero in 2036. Source: RFC 868
class Time final : public Protocol {
 public:
  explicit Time(WallClock now = std::chrono::system_clock::now) : now_(std::move(now)) {}
  void connection_made() override;
  void data_received(BytesView) override {}

 private:
  WallClock now_;
};

/// Sends a quote and closes. Source: RFC 865
class QuoteOfTheDay final : public Protocol {
 public:
  /// `quote` is asked once for each connection.
  explicit QuoteOfTheDay(std::function<std::string()> quote) : quote_(std::move(quote)) {}
  void connection_made() override;
  void data_received(BytesView) override {}

 private:
  std::function<std::string()> quote_;
};

}  // namespace weft
