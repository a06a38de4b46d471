// A small DNS server that says what a test tells it to, right or wrong.
#pragma once

#include "../framework/dns_records.hpp"
#include "../framework/factory.hpp"
#include "../framework/protocol.hpp"
#include "../framework/reactor.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstdint>
#include <map>
#include <netinet/in.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace weft::testing {

inline constexpr auto ipv4 = Address::Family::ipv4;

inline std::vector<std::string> hosts_of(const std::vector<AddressRecord>& records) {
  std::vector<std::string> hosts;
  for (const auto& record : records)
    hosts.push_back(record.address.host());
  return hosts;
}

/// Appends what a DNS message is made of.
class DnsWriter {
 public:
  std::string bytes;

  DnsWriter& u8(unsigned value) {
    bytes += static_cast<char>(value);
    return *this;
  }
  DnsWriter& u16(unsigned value) { return u8(value >> 8 & 0xff).u8(value & 0xff); }
  DnsWriter& u32(std::uint32_t value) { return u16(value >> 16).u16(value & 0xffff); }
  DnsWriter& name(std::string_view name) {
    while (!name.empty() && name != ".") {
      const auto end = std::min(name.find('.'), name.size());
      u8(static_cast<unsigned>(end));
      bytes += name.substr(0, end);
      name.remove_prefix(std::min(end + 1, name.size()));
    }
    return u8(0);
  }
  DnsWriter& text(std::string_view text) {
    u8(static_cast<unsigned>(text.size()));
    bytes += text;
    return *this;
  }
  DnsWriter& record(std::string_view owner, unsigned type, std::uint32_t ttl,
                    const std::string& data) {
    name(owner).u16(type).u16(1).u32(ttl).u16(static_cast<unsigned>(data.size()));
    bytes += data;
    return *this;
  }
};

inline std::string a_data(const std::string& host) {
  const auto address = *Address::parse(host, 0);
  const auto size = address.family() == Address::Family::ipv4 ? 4U : 16U;
  return {address.octets().begin(), address.octets().begin() + size};
}
inline std::string soa_data(std::uint32_t minimum) {
  return DnsWriter()
      .name("ns.test")
      .name("admin.test")
      .u32(1)
      .u32(2)
      .u32(3)
      .u32(4)
      .u32(minimum)
      .bytes;
}

constexpr unsigned type_a = 1, type_cname = 5, type_soa = 6, type_ptr = 12, type_mx = 15,
                   type_txt = 16, type_aaaa = 28, type_srv = 33;

/// What the server makes of one question.
struct DnsReply {
  struct Record {
    std::string owner;
    unsigned type;
    std::uint32_t ttl;
    std::string data;
  };
  unsigned code = 0;
  std::vector<Record> answers;
  std::vector<Record> authorities;
  /// Says nothing.
  bool silent = false;
  /// Over UDP says only that it does not fit.
  bool truncated = false;
  /// Says this behind the question, instead of anything else.
  std::optional<std::string> instead;
};

/// Listens on 127.0.0.1 over UDP; over TCP too on a reactor that has sockets.
class DnsServer {
 public:
  enum class Runs {
    /// On its reactor, over UDP and TCP.
    by_itself,
    /// Over UDP, when `serve` is called.
    by_hand
  };

  DnsServer(Reactor& reactor, Runs runs) {
    while (true) {
      Port port = 0;
      if (runs == Runs::by_itself) {
        ListenOptions loopback;
        loopback.interface = "127.0.0.1";
        port_ = reactor.listen_tcp(0, weft::factory_for<Connection>(std::ref(*this)), loopback);
        port = port_.address().port();
      }
      socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      sockaddr_in here{};
      here.sin_family = AF_INET;
      here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      here.sin_port = htons(port);
      if (::bind(socket_, reinterpret_cast<sockaddr*>(&here), sizeof here) == 0) break;
      // The number is taken for UDP: another is to be had.
      ::close(socket_);
      port_.stop();
    }
    if (runs == Runs::by_itself) {
      watch_ = reactor.watch(socket_, Interest::readable, [this] { serve(); });
    }
  }
  ~DnsServer() {
    watch_.cancel();
    if (socket_ >= 0) ::close(socket_);
    port_.stop();
  }
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  [[nodiscard]] Address address() const {
    sockaddr_in here{};
    socklen_t size = sizeof here;
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&here), &size);
    return Address::ipv4({127, 0, 0, 1}, ntohs(here.sin_port));
  }

  /// What is asked of `name`; all that is not known does not exist.
  DnsReply& on(const std::string& name, unsigned type) { return replies_[{name, type}]; }
  void has(const std::string& name, unsigned type, std::uint32_t ttl, const std::string& data) {
    on(name, type).answers.push_back({name, type, ttl, data});
  }
  /// "1 a.test": type and name, in the order of the questions.
  std::vector<std::string> asked;
  /// From which ports that was asked over UDP.
  std::vector<Port> asked_from;
  /// What those get that `on` does not know.
  DnsReply otherwise{3, {}, {}, false, false, std::nullopt};

  /// Answers what has come by UDP; says how many questions that were.
  int serve() {
    int count = 0;
    while (true) {
      std::array<char, 2048> buffer{};
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const auto got = ::recvfrom(socket_, buffer.data(), buffer.size(), 0,
                                  reinterpret_cast<sockaddr*>(&from), &size);
      if (got <= 0) return count;
      ++count;
      asked_from.push_back(ntohs(from.sin_port));
      const std::string question(buffer.data(), static_cast<std::size_t>(got));
      const auto answer = reply(question, true);
      if (answer.empty()) {
        unanswered_.emplace_back(question, from);
        continue;
      }
      last_ = {answer, from};
      send_last();
    }
  }
  /// Sends the last answer once more.
  void send_last() {
    ::sendto(socket_, last_.first.data(), last_.first.size(), 0,
             reinterpret_cast<const sockaddr*>(&last_.second), sizeof last_.second);
  }
  /// Answers the oldest question that was met with silence, as `on` has it by now.
  void answer_late() {
    const auto [question, from] = unanswered_.at(0);
    unanswered_.erase(unanswered_.begin());
    last_ = {compose(question, true), from};
    send_last();
  }

 private:
  class Connection final : public Protocol {
   public:
    explicit Connection(DnsServer& server) : server_(server) {}
    void data_received(BytesView data) override {
      read_ += data.text();
      if (read_.size() < 2) return;
      const auto size = static_cast<std::size_t>(static_cast<unsigned char>(read_[0]) << 8 |
                                                 static_cast<unsigned char>(read_[1]));
      if (read_.size() < size + 2) return;
      const auto answer = server_.reply(read_.substr(2, size), false);
      read_.erase(0, size + 2);
      ++server_.over_tcp;
      transport().write(DnsWriter().u16(static_cast<unsigned>(answer.size())).bytes + answer);
    }

   private:
    DnsServer& server_;
    std::string read_;
  };

  /// Where the question ends, its name and its type.
  struct Question {
    std::size_t end = 12;
    std::string name;
    unsigned type = 0;
  };
  static Question parse(const std::string& message) {
    Question question;
    while (const auto length = static_cast<unsigned char>(message.at(question.end))) {
      if (!question.name.empty()) question.name += '.';
      question.name += message.substr(question.end + 1, length);
      question.end += length + 1U;
    }
    question.type = static_cast<unsigned char>(message.at(question.end + 2));
    question.end += 5;
    return question;
  }
  const DnsReply& reply_to(const Question& question) const {
    const auto known = replies_.find({question.name, question.type});
    return known != replies_.end() ? known->second : otherwise;
  }
  std::string reply(const std::string& message, bool by_udp) {
    const auto question = parse(message);
    asked.push_back(std::to_string(question.type) + " " + question.name);
    return compose(message, by_udp);
  }
  std::string compose(const std::string& message, bool by_udp) {
    const auto question = parse(message);
    const auto& reply = reply_to(question);
    if (reply.silent) return {};
    const bool cut = reply.truncated && by_udp;
    DnsWriter writer;
    writer.bytes = message.substr(0, 2);
    writer.u16(0x8180 | (cut ? 0x0200 : 0) | reply.code).u16(1);
    writer.u16(cut ? 0 : static_cast<unsigned>(reply.answers.size()));
    writer.u16(cut ? 0 : static_cast<unsigned>(reply.authorities.size())).u16(0);
    writer.bytes += message.substr(12, question.end - 12);
    if (reply.instead) return writer.bytes + *reply.instead;
    if (cut) return writer.bytes;
    for (const auto& each : reply.answers)
      writer.record(each.owner, each.type, each.ttl, each.data);
    for (const auto& each : reply.authorities)
      writer.record(each.owner, each.type, each.ttl, each.data);
    return writer.bytes;
  }

 public:
  int over_tcp = 0;

 private:
  int socket_ = -1;
  ListeningPort port_;
  Watch watch_;
  std::map<std::pair<std::string, unsigned>, DnsReply> replies_;
  std::pair<std::string, sockaddr_in> last_;
  std::vector<std::pair<std::string, sockaddr_in>> unanswered_;
};

}  // namespace weft::testing
