#include "services.hpp"

#include "../framework/transport.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>

namespace weft {

namespace {

constexpr char first_printable = ' ';
constexpr std::size_t printable_count = 95;
constexpr std::size_t chargen_line = 72;

// Each line begins one character later than the one before, so that as many lines as there are
// characters make a block that can be sent again and again.
std::string chargen_block() {
  std::string block;
  block.reserve(printable_count * (chargen_line + 2));
  for (std::size_t line = 0; line < printable_count; ++line) {
    for (std::size_t column = 0; column < chargen_line; ++column) {
      const auto offset = (line + column) % printable_count;
      block += static_cast<char>(first_printable + static_cast<char>(offset));
    }
    block += "\r\n";
  }
  return block;
}

}  // namespace

void Echo::data_received(BytesView data) {
  transport().write(data);
}

void Echo::pause_writing() {
  transport().pause_producing();
}

void Echo::resume_writing() {
  transport().resume_producing();
}

void Chargen::connection_made() {
  lines_ = Bytes(chargen_block());
  transport().register_producer(std::shared_ptr<Producer>(shared_from_this(), this),
                                Streaming::pull);
}

void Chargen::eof_received() {
  // Closing waits for a producer, and this one has no end of its own.
  transport().unregister_producer();
  transport().lose_connection();
}

void Chargen::resume_producing() {
  transport().write(lines_);
}

void Daytime::connection_made() {
  const auto now = std::chrono::floor<std::chrono::seconds>(now_());
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<std::chrono::seconds> time(now - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02d:%02d:%02d UTC\r\n",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
  transport().write(text.data());
  transport().lose_connection();
}

void Time::connection_made() {
  constexpr std::int64_t from_1900_to_1970 = 2'208'988'800;
  const auto since_1970 = std::chrono::floor<std::chrono::seconds>(now_()).time_since_epoch();
  const auto seconds = static_cast<std::uint32_t>(since_1970.count() + from_1900_to_1970);
  std::array<char, 4> bytes{};
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    bytes[at] = static_cast<char>(static_cast<unsigned char>(seconds >> (24 - 8 * at) & 0xff));
  }
  transport().write(BytesView(bytes.data(), bytes.size()));
  transport().lose_connection();
}

void QuoteOfTheDay::connection_made() {
  transport().write(Bytes(quote_()));
  transport().lose_connection();
}

}  // namespace weft
