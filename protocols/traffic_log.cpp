#include "traffic_log.hpp"

#include "../framework/protocol_wrapper.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weft {

namespace {

std::string escaped(BytesView data, std::size_t max_bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char c : data.first(max_bytes).text()) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '\n') {
      text += "\\n";
    } else if (c == '\r') {
      text += "\\r";
    } else if (c == '\\' || c == '"') {
      text += {'\\', c};
    } else if (code >= 0x20 && code < 0x7f) {
      text += c;
    } else {
      text += {'\\', 'x', digits[code >> 4], digits[code & 15]};
    }
  }
  return data.size() > max_bytes ? text + "..." : text;
}

class Logged final : public ProtocolWrapper {
 public:
  Logged(std::shared_ptr<Protocol> wrapped, std::shared_ptr<const TrafficLogOptions> options)
      : ProtocolWrapper(std::move(wrapped)), options_(std::move(options)) {}

  void connection_made() override {
    say("connected");
    ProtocolWrapper::connection_made();
  }
  void data_received(BytesView data) override {
    show('<', data);
    ProtocolWrapper::data_received(data);
  }
  void eof_received() override {
    say("< end");
    ProtocolWrapper::eof_received();
  }
  void connection_lost(const Failure& reason) override {
    say("lost: " + reason.message());
    ProtocolWrapper::connection_lost(reason);
  }
  void write(BytesView data) override {
    show('>', data);
    ProtocolWrapper::write(data);
  }
  void write(Bytes data) override {
    show('>', data);
    ProtocolWrapper::write(std::move(data));
  }
  void write_sequence(std::span<const BytesView> pieces) override {
    for (const auto piece : pieces)
      show('>', piece);
    ProtocolWrapper::write_sequence(pieces);
  }
  void lose_write_connection() override {
    say("> end");
    ProtocolWrapper::lose_write_connection();
  }

 private:
  void show(char direction, BytesView data) const {
    auto line = std::string(1, direction) + " " + std::to_string(data.size()) + " bytes";
    if (options_->max_shown_bytes > 0) {
      line += " \"" + escaped(data, options_->max_shown_bytes) + "\"";
    }
    say(line);
  }
  void say(const std::string& what) const {
    const auto line = peer().text() + " " + what;
    options_->sink ? options_->sink(line) : log(options_->level, "traffic", line);
  }

  std::shared_ptr<const TrafficLogOptions> options_;
};

class TrafficLogFactory final : public WrappingFactory {
 public:
  TrafficLogFactory(std::shared_ptr<Factory> wrapped, TrafficLogOptions options)
      : WrappingFactory(std::move(wrapped)),
        options_(std::make_shared<const TrafficLogOptions>(std::move(options))) {}

 private:
  std::shared_ptr<Protocol> wrap(std::shared_ptr<Protocol> protocol, const Address&) override {
    return std::make_shared<Logged>(std::move(protocol), options_);
  }

  std::shared_ptr<const TrafficLogOptions> options_;
};

}  // namespace

std::shared_ptr<Factory> traffic_log(std::shared_ptr<Factory> factory, TrafficLogOptions options) {
  return std::make_shared<TrafficLogFactory>(std::move(factory), std::move(options));
}

}  // namespace weft
