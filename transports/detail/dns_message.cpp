#include "dns_message.hpp"

#include "lower_case.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weft::detail {

namespace {

constexpr std::size_t header_size = 12;
constexpr std::size_t max_name_size = 255;
constexpr std::size_t max_label_size = 63;
// An alias of an alias and so on: more is a loop, or a joke.
constexpr int max_aliases = 16;
constexpr std::uint16_t class_internet = 1;
constexpr std::uint16_t type_cname = 5;
constexpr std::uint16_t type_soa = 6;

using Bytes8 = std::span<const std::uint8_t>;

/// Puts one label into text (RFC 4343, 2.1).
void append_label(std::string& name, Bytes8 label) {
  if (!name.empty()) name += '.';
  for (const auto byte : label) {
    if (byte == '.' || byte == '\\') {
      name += '\\';
      name += static_cast<char>(byte);
    } else if (byte > ' ' && byte < 0x7f) {
      name += static_cast<char>(byte);
    } else {
      name += '\\';
      for (const int digit : {byte / 100, byte / 10 % 10, byte % 10})
        name += static_cast<char>('0' + digit);
    }
  }
}

/// Reads forwards; once something is not there, it is bad for good and everything reads as zero.
class Reader {
 public:
  Reader(Bytes8 message, std::size_t at, std::size_t end) noexcept
      : message_(message), at_(at), end_(end), bad_(at > end || end > message.size()) {}

  [[nodiscard]] bool bad() const noexcept { return bad_; }
  [[nodiscard]] bool at_end() const noexcept { return at_ == end_; }
  [[nodiscard]] std::size_t at() const noexcept { return at_; }

  Bytes8 take(std::size_t count) noexcept {
    if (bad_ || end_ - at_ < count) {
      bad_ = true;
      return {};
    }
    const auto taken = message_.subspan(at_, count);
    at_ += count;
    return taken;
  }
  std::uint8_t u8() noexcept {
    const auto byte = take(1);
    return bad_ ? std::uint8_t{} : byte[0];
  }
  std::uint16_t u16() noexcept {
    const auto bytes = take(2);
    return bad_ ? std::uint16_t{} : static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
  }
  std::uint32_t u32() noexcept {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  /// Without the dot at its end; the root is ".". Source: RFC 1035, 4.1.4
  std::string name() {
    std::string text;
    std::size_t size = 1;
    auto from = at_;
    // Pointers lead backwards only, and nothing is read beyond the last, so there is no loop.
    auto limit = end_;
    bool followed = false;
    while (!bad_) {
      if (from >= limit) return fail_name();
      const auto length = message_[from];
      if (length == 0) {
        if (!followed) at_ = from + 1;
        return text.empty() ? "." : text;
      }
      if ((length & 0xc0) == 0xc0) {
        if (from + 1 >= limit) return fail_name();
        const std::size_t target = (length & 0x3f) << 8 | message_[from + 1];
        if (!followed) at_ = from + 2;
        followed = true;
        if (target >= from) return fail_name();
        limit = from;
        from = target;
        continue;
      }
      size += length + 1U;
      if (length > max_label_size || size > max_name_size || limit - from - 1 < length) {
        return fail_name();
      }
      append_label(text, message_.subspan(from + 1, length));
      from += length + 1U;
    }
    return {};
  }

 private:
  std::string fail_name() {
    bad_ = true;
    return {};
  }

  Bytes8 message_;
  std::size_t at_;
  std::size_t end_;
  bool bad_;
};

struct Record {
  std::string owner;
  std::uint16_t type = 0;
  TimeToLive ttl{};
  std::size_t data = 0;
  std::size_t end = 0;
};

std::optional<Record> read_record(Reader& reader) {
  Record record;
  record.owner = lower_case(reader.name());
  record.type = reader.u16();
  const auto record_class = reader.u16();
  // What looks negative is zero (RFC 2181, 8).
  const auto ttl = reader.u32();
  record.ttl = TimeToLive(ttl > 0x7fffffff ? 0 : ttl);
  const auto size = reader.u16();
  record.data = reader.at();
  static_cast<void>(reader.take(size));
  record.end = reader.at();
  if (reader.bad()) return std::nullopt;
  // What is not of the internet is nobody's here.
  if (record_class != class_internet) record.type = 0;
  return record;
}

AddressRecord read_address(Reader& data, DnsType type, TimeToLive ttl) {
  if (type == DnsType::a) {
    const auto bytes = data.take(4);
    std::array<std::uint8_t, 4> octets{};
    std::copy(bytes.begin(), bytes.end(), octets.begin());
    return {Address::ipv4(octets, 0), ttl};
  }
  const auto bytes = data.take(16);
  std::array<std::uint8_t, 16> octets{};
  std::copy(bytes.begin(), bytes.end(), octets.begin());
  return {Address::ipv6(octets, 0), ttl};
}

DnsRecord read_data(Reader& data, DnsType type, TimeToLive ttl) {
  switch (type) {
    case DnsType::a:
    case DnsType::aaaa:
      return read_address(data, type, ttl);
    case DnsType::ptr:
      return PtrRecord{data.name(), ttl};
    case DnsType::mx: {
      const auto preference = data.u16();
      return MxRecord{preference, data.name(), ttl};
    }
    case DnsType::srv: {
      const auto priority = data.u16();
      const auto weight = data.u16();
      const auto port = data.u16();
      return SrvRecord{priority, weight, port, data.name(), ttl};
    }
    case DnsType::txt:
      break;
  }
  TxtRecord record{{}, ttl};
  do {
    const auto text = data.take(data.u8());
    record.strings.emplace_back(text.begin(), text.end());
  } while (!data.bad() && !data.at_end());
  return record;
}

/// The header, behind which `reader` stands at the answers.
struct Header {
  bool good = false;
  DnsCode code{};
  std::size_t answers = 0;
  std::size_t authorities = 0;
};

Header read_header(Reader& reader) {
  Header header;
  static_cast<void>(reader.u16());
  const auto flags = reader.u16();
  const bool is_answer = (flags & 0x8000) != 0;
  const bool cut_short = (flags & 0x0200) != 0;
  header.code = static_cast<DnsCode>(flags & 0xf);
  const auto questions = reader.u16();
  header.answers = reader.u16();
  header.authorities = reader.u16();
  static_cast<void>(reader.u16());
  for (int i = 0; i < questions && !reader.bad(); ++i) {
    static_cast<void>(reader.name());
    static_cast<void>(reader.u32());
  }
  header.good = is_answer && !cut_short && !reader.bad();
  return header;
}

bool read_records(Reader& reader, std::size_t count, std::vector<Record>& records) {
  for (std::size_t i = 0; i < count; ++i) {
    auto record = read_record(reader);
    if (!record) return false;
    records.push_back(std::move(*record));
  }
  return true;
}

/// How long the news that there is nothing may be kept (RFC 2308, 5): as the zone's SOA says.
std::optional<TimeToLive> negative_ttl(Bytes8 message, const std::vector<Record>& authorities) {
  for (const auto& record : authorities) {
    if (record.type != type_soa) continue;
    Reader data(message, record.data, record.end);
    static_cast<void>(data.name());
    static_cast<void>(data.name());
    static_cast<void>(data.take(16));
    const TimeToLive minimum(data.u32());
    if (!data.bad()) return std::min(record.ttl, minimum);
  }
  return std::nullopt;
}

/// The name that `name` is an alias of in the end; nothing when an alias is malformed.
std::optional<std::string> follow_aliases(Bytes8 message, const std::vector<Record>& records,
                                          std::string name, std::optional<TimeToLive>& ttl) {
  for (int i = 0; i < max_aliases; ++i) {
    const auto alias = std::find_if(records.begin(), records.end(), [&](const Record& record) {
      return record.type == type_cname && record.owner == name;
    });
    if (alias == records.end()) return name;
    Reader data(message, alias->data, alias->end);
    name = lower_case(data.name());
    if (data.bad()) return std::nullopt;
    ttl = std::min(ttl.value_or(alias->ttl), alias->ttl);
  }
  return std::nullopt;
}

}  // namespace

std::string_view dns_type_name(DnsType type) noexcept {
  switch (type) {
    case DnsType::a:
      return "A";
    case DnsType::ptr:
      return "PTR";
    case DnsType::mx:
      return "MX";
    case DnsType::txt:
      return "TXT";
    case DnsType::aaaa:
      return "AAAA";
    case DnsType::srv:
      return "SRV";
  }
  return "?";
}

std::optional<DnsAnswer> read_dns_answer(std::span<const std::uint8_t> message,
                                         std::string_view name, DnsType type) {
  if (message.size() < header_size) return std::nullopt;
  Reader reader(message, 0, message.size());
  const auto header = read_header(reader);
  if (!header.good) return std::nullopt;
  DnsAnswer answer;
  answer.code = header.code;
  if (header.code != DnsCode::no_error && header.code != DnsCode::no_such_name) return answer;

  std::vector<Record> records;
  if (!read_records(reader, header.answers, records)) return std::nullopt;
  const auto owner = follow_aliases(message, records, std::string(name), answer.ttl);
  if (!owner) return std::nullopt;
  for (const auto& record : records) {
    if (record.type != static_cast<std::uint16_t>(type) || record.owner != *owner) continue;
    Reader data(message, record.data, record.end);
    answer.records.push_back(read_data(data, type, record.ttl));
    if (data.bad() || !data.at_end()) return std::nullopt;
    answer.ttl = std::min(answer.ttl.value_or(record.ttl), record.ttl);
  }
  if (!answer.records.empty()) return answer;
  std::vector<Record> authorities;
  if (!read_records(reader, header.authorities, authorities)) return std::nullopt;
  answer.ttl = negative_ttl(message, authorities);
  return answer;
}

}  // namespace weft::detail
