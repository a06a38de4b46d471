// c-ares towards one DNS server, inside the reactor; and what the system says about DNS.
#pragma once

#include "../../framework/clock.hpp"
#include "../../framework/reactor.hpp"
#include "dns_message.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct ares_channeldata;

namespace weft::detail {

/// How the system is set up.
struct DnsSystem {
  std::vector<Address> servers;
  std::vector<std::string> search_domains;
  int ndots = 1;
};

/// Reads it from `resolv_conf_path`, or from where the system keeps it when that is empty.
[[nodiscard]] DnsSystem read_dns_system(const std::string& resolv_conf_path);

/// Sends questions to one server, each once, by UDP and by TCP when the answer does not fit. How
/// long to wait for an answer is its owner's to say. Destroying it forgets all questions.
class DnsChannel : public std::enable_shared_from_this<DnsChannel> {
 public:
  enum class Result : std::uint8_t { answered, unreachable, silent };
  /// Called from the loop, with the answer's bytes.
  using Done = UniqueFunction<void(Result result, std::span<const std::uint8_t> message)>;

  /// c-ares itself forgets a question after `patience`.
  DnsChannel(Reactor& reactor, const Address& server, Duration patience);
  ~DnsChannel();
  DnsChannel(const DnsChannel&) = delete;
  DnsChannel& operator=(const DnsChannel&) = delete;

  void ask(const std::string& name, DnsType type, Done done);
  /// How many questions that were so far.
  [[nodiscard]] std::size_t asked() const noexcept { return asked_; }

 private:
  struct Asked {
    DnsChannel* channel;
    Done done;
  };
  struct Answered {
    Done done;
    Result result;
    std::vector<std::uint8_t> message;
  };
  struct Socket {
    Watch readable;
    Watch writable;
  };

  static void answered(void* argument, int status, int timeouts, unsigned char* message,
                       int size) noexcept;
  void socket_changed(int descriptor, bool readable, bool writable) noexcept;
  void watch(Watch& watch, int descriptor, Interest interest, bool wanted);
  void ready(int descriptor, Interest interest);
  void deliver();

  Reactor& reactor_;
  ares_channeldata* channel_ = nullptr;
  std::map<int, Socket> sockets_;
  std::vector<Answered> answered_;
  DelayedCall deliver_later_;
  std::size_t asked_ = 0;
  bool closing_ = false;
};

}  // namespace weft::detail
