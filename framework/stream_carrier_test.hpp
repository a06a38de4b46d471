// A stream whose both ends write down what they hear: for the tests of the stream table and of
// StreamTransport.
#pragma once

#include "error.hpp"
#include "hand_clock_test.hpp"
#include "stream_transport.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

namespace weft {

// What is heard at both ends of a transport: by the carrier below it and by the protocol above it.
using Log = std::shared_ptr<std::ostringstream>;

class LoggingCarrier final : public StreamTransport {
 public:
  LoggingCarrier(Clock& clock, Log log) : StreamTransport(clock), log_(std::move(log)) {}
  using StreamTransport::broken;
  using StreamTransport::ended;
  using StreamTransport::goodbye_done;
  using StreamTransport::received;
  using StreamTransport::sent;
  [[nodiscard]] Address host() const override { return {}; }
  [[nodiscard]] Address peer() const override { return {}; }

  bool blocked = false;
  std::size_t takes_at_most = SIZE_MAX;
  // What sending fails with.
  std::error_code error;
  bool says_goodbye = false;

 private:
  SendResult try_send(std::span<const BytesView> pieces) noexcept override {
    if (error) return {0, false, error};
    if (blocked) return {0, true, {}};
    std::size_t taken = 0;
    bool whole = true;
    *log_ << "sent(";
    for (const auto piece : pieces) {
      const auto part = piece.first(takes_at_most - taken);
      *log_ << part.text();
      taken += part.size();
      whole = whole && part.size() == piece.size();
    }
    *log_ << ") ";
    return {taken, !whole, {}};
  }
  void send_later(std::span<const BytesView>) override {}
  void reading_changed() override {}
  void send_end() noexcept override { *log_ << "end "; }
  void close_in_order() noexcept override { *log_ << "close "; }
  void close_abruptly() noexcept override { *log_ << "reset "; }
  bool begin_goodbye() noexcept override {
    if (says_goodbye) *log_ << "goodbye ";
    return says_goodbye;
  }
  [[nodiscard]] Failure failure_from(std::error_code) const override {
    return Failure(ConnectionLost("The carrier broke.", Address()));
  }

  Log log_;
};

class LoggingProtocol final : public Protocol {
 public:
  explicit LoggingProtocol(Log log) : log_(std::move(log)) {}
  void data_received(BytesView data) override { *log_ << "data(" << data.text() << ") "; }
  void eof_received() override { *log_ << "eof "; }
  void pause_writing() override { *log_ << "pause_writing "; }
  void resume_writing() override { *log_ << "resume_writing "; }
  void connection_lost(const Failure& reason) override {
    const auto name = reason.type_name();
    *log_ << "lost(" << name.substr(name.rfind(':') + 1) << ") ";
  }

 private:
  Log log_;
};

class LoggingProducer final : public Producer {
 public:
  explicit LoggingProducer(Log log) : log_(std::move(log)) {}
  void resume_producing() override { *log_ << "resume "; }
  void pause_producing() override { *log_ << "pause "; }
  void stop_producing() override { *log_ << "stop "; }

 private:
  Log log_;
};

class LoggedStream : public ::testing::Test {
 protected:
  LoggedStream() {
    carrier_->establish(std::make_shared<LoggingProtocol>(log_));
    come_round();
  }
  ~LoggedStream() override {
    carrier_->abort_connection();
    come_round();
  }

  void come_round() {
    clock_.turn().settle();
    clock_.come_round();
  }
  std::string heard() {
    auto text = log_->str();
    log_->str("");
    if (!text.empty()) text.pop_back();
    return text;
  }

  HandClock clock_;
  Log log_ = std::make_shared<std::ostringstream>();
  std::shared_ptr<LoggingCarrier> carrier_ = std::make_shared<LoggingCarrier>(clock_, log_);
};

}  // namespace weft
