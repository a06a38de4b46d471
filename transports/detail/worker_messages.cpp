#include "worker_messages.hpp"

#include "../../framework/error.hpp"

#include <limits>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace weft::detail {

namespace {

using Variables = std::vector<std::pair<std::string, std::string>>;

template <class Number>
void put_number(std::string& to, Number number) {
  for (int shift = 8 * (sizeof(Number) - 1); shift >= 0; shift -= 8)
    to.push_back(static_cast<char>(number >> shift));
}
void put_text(std::string& to, std::string_view text) {
  put_number(to, static_cast<std::uint64_t>(text.size()));
  to += text;
}

// Field after field, the same list for both ways.
template <class Visitor, class Message>
void visit_fields(Visitor&& field, Message& message) {
  using Kind = std::remove_const_t<Message>;
  if constexpr (std::is_same_v<Kind, WorkerHello>) {
    field(message.version);
    field(message.functions);
  } else if constexpr (std::is_same_v<Kind, WorkerResult>) {
    field(message.call);
    field(message.value);
  } else if constexpr (std::is_same_v<Kind, WorkerFailure>) {
    field(message.call);
    field(message.kind);
    field(message.type_name);
    field(message.said);
  } else if constexpr (std::is_same_v<Kind, WorkerSetup>) {
    field(message.max_message_bytes);
  } else {
    field(message.call);
    field(message.max_memory_bytes);
    field(message.context);
    field(message.function);
    field(message.arguments);
  }
}

struct Writer {
  std::string& to;
  void operator()(std::uint32_t number) { put_number(to, number); }
  void operator()(std::uint64_t number) { put_number(to, number); }
  void operator()(WorkerFailure::Kind kind) { to.push_back(static_cast<char>(kind)); }
  void operator()(const std::string& text) { put_text(to, text); }
  void operator()(const std::vector<std::string>& texts) {
    put_number(to, static_cast<std::uint64_t>(texts.size()));
    for (const auto& text : texts)
      put_text(to, text);
  }
  void operator()(const Variables& variables) {
    put_number(to, static_cast<std::uint64_t>(variables.size()));
    for (const auto& [name, value] : variables) {
      put_text(to, name);
      put_text(to, value);
    }
  }
};

[[noreturn]] void refuse_message() {
  throw ProtocolError(
      "A worker process and its pool do not understand each other; see that nothing else writes to "
      "the worker's descriptor 3.");
}

class Reader {
 public:
  explicit Reader(std::string_view frame) : left_(frame) {}

  void operator()(std::uint32_t& number) { number = take_number<std::uint32_t>(); }
  void operator()(std::uint64_t& number) { number = take_number<std::uint64_t>(); }
  void operator()(WorkerFailure::Kind& kind) {
    const auto number = take_number<std::uint8_t>();
    if (number > static_cast<std::uint8_t>(WorkerFailure::Kind::unknown_function)) refuse_message();
    kind = static_cast<WorkerFailure::Kind>(number);
  }
  void operator()(std::string& text) { text = take(take_number<std::uint64_t>()); }
  void operator()(std::vector<std::string>& texts) {
    auto count = take_number<std::uint64_t>();
    for (; count > 0; --count)
      (*this)(texts.emplace_back());
  }
  void operator()(Variables& variables) {
    auto count = take_number<std::uint64_t>();
    for (; count > 0; --count) {
      auto& [name, value] = variables.emplace_back();
      (*this)(name);
      (*this)(value);
    }
  }
  template <class Number>
  [[nodiscard]] Number take_number() {
    Number number = 0;
    for (const char each : take(sizeof(Number)))
      number = static_cast<Number>((number << 8U) | static_cast<unsigned char>(each));
    return number;
  }
  void end() const {
    if (!left_.empty()) refuse_message();
  }

 private:
  std::string_view take(std::uint64_t size) {
    if (size > left_.size()) refuse_message();
    const auto taken = left_.substr(0, static_cast<std::size_t>(size));
    left_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view left_;
};

template <class Message>
std::string write_frame(const Message& message) {
  std::string frame(frame_length_bytes, '\0');
  frame.push_back(static_cast<char>(message.index()));
  std::visit([&](const auto& each) { visit_fields(Writer{frame}, each); }, message);
  const auto size = frame.size() - frame_length_bytes;
  if (size > std::numeric_limits<std::uint32_t>::max()) {
    throw std::length_error("a frame of more than 4 GiB");
  }
  std::string length;
  put_number(length, static_cast<std::uint32_t>(size));
  frame.replace(0, frame_length_bytes, length);
  return frame;
}

template <class Message, std::size_t kind = 0>
Message read_frame(std::size_t which, Reader& reader) {
  if constexpr (kind == std::variant_size_v<Message>) {
    refuse_message();
  } else {
    if (which != kind) return read_frame<Message, kind + 1>(which, reader);
    std::variant_alternative_t<kind, Message> message;
    visit_fields(reader, message);
    reader.end();
    return message;
  }
}

template <class Message>
Message parse(std::string_view frame) {
  Reader reader(frame);
  const auto which = reader.take_number<std::uint8_t>();
  return read_frame<Message>(which, reader);
}

}  // namespace

std::string framed(const FromWorker& message) {
  return write_frame(message);
}
std::string framed(const ToWorker& message) {
  return write_frame(message);
}
FromWorker parse_from_worker(std::string_view frame) {
  return parse<FromWorker>(frame);
}
ToWorker parse_to_worker(std::string_view frame) {
  return parse<ToWorker>(frame);
}

std::size_t frame_length(std::string_view length) noexcept {
  std::size_t size = 0;
  for (const char each : length)
    size = (size << 8U) | static_cast<unsigned char>(each);
  return size;
}

void FrameCutter::feed(std::string_view data) {
  kept_.erase(0, std::exchange(taken_, 0));
  kept_ += data;
}

std::optional<std::string_view> FrameCutter::next() {
  const auto left = std::string_view(kept_).substr(taken_);
  if (left.size() < frame_length_bytes) return std::nullopt;
  const auto size = frame_length(left.substr(0, frame_length_bytes));
  if (size > max_bytes_) {
    throw ProtocolError("A worker process announced a frame of " + std::to_string(size) +
                        " bytes, and may send " + std::to_string(max_bytes_) +
                        "; see that nothing else writes to its descriptor 3.");
  }
  if (left.size() - frame_length_bytes < size) return std::nullopt;
  taken_ += frame_length_bytes + size;
  return left.substr(frame_length_bytes, size);
}

}  // namespace weft::detail
