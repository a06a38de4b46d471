// Questions on their way to DNS servers: who is asked when, and who waits for the answer.
#pragma once

#include "../../framework/deferred.hpp"
#include "../../framework/reactor.hpp"
#include "../../framework/turn.hpp"
#include "dns_cache.hpp"
#include "dns_channel.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace weft::detail {

struct DnsPatience {
  Duration try_timeout;
  int tries;
  bool rotate;
  TimeToLive max_ttl;
  TimeToLive max_negative_ttl;
};

/// Asks the servers in turn, each for its time, until one answers. All times are on the reactor's
/// clock. Answers are kept in a cache, and the same question asked twice at a time is sent once.
class DnsQuestions final : public Turn::Participant,
                           public std::enable_shared_from_this<DnsQuestions> {
 public:
  using Answer = std::shared_ptr<const DnsAnswer>;

  DnsQuestions(Reactor& reactor, std::vector<Address> servers, const DnsPatience& patience,
               std::size_t max_cached_answers);
  ~DnsQuestions() override;

  /// What a server says of a name in lower case, be it that there is none.
  /// Errors: ResolveTimeout, ResolveError.
  Deferred<Answer> ask(const std::string& name, DnsType type);
  void clear_cache() noexcept { cache_.clear(); }
  /// Fails all that waits with a ResolveError that ends with `why`, and closes all sockets.
  void close(const std::string& why) noexcept;
  /// Who is asked, for messages: "127.0.0.1:53, [::1]:53".
  [[nodiscard]] std::string servers_text() const;

 private:
  struct Question;
  using QuestionPtr = std::shared_ptr<Question>;

  void flush() noexcept override {}
  void wake() noexcept override {}
  void loop_ended() noexcept override { close("its reactor has ended"); }

  Deferred<Answer> join(const QuestionPtr& question);
  void leave(const QuestionPtr& question, std::uint64_t waiter);
  void try_next(const QuestionPtr& question);
  void send(const QuestionPtr& question, std::size_t server);
  void retire(const DnsChannel& channel, std::size_t server) noexcept;
  void heard(const QuestionPtr& question, std::size_t sending, DnsChannel::Result result,
             std::span<const std::uint8_t> message);
  void gave_up(const QuestionPtr& question);
  void finish(const QuestionPtr& question, Outcome<Answer> outcome);
  void forget(const QuestionPtr& question) noexcept;
  void keep(const DnsKey& key, const Answer& answer);

  Reactor& reactor_;
  std::vector<Address> servers_;
  DnsPatience patience_;
  DnsCache cache_;
  // Where the next question to each server goes; null until then. A channel that asks no more lives
  // on with the questions that it has sent.
  std::vector<std::shared_ptr<DnsChannel>> channels_;
  std::map<DnsKey, QuestionPtr> questions_;
  std::size_t first_server_ = 0;
  std::uint64_t last_waiter_ = 0;
};

}  // namespace weft::detail
