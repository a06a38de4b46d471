#include "dns_questions.hpp"

#include "../../framework/context.hpp"
#include "../../framework/error.hpp"
#include "../../framework/logging.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <utility>

namespace weft::detail {

namespace {

// c-ares sends from one port as long as it waits for anything there. Whoever would forge an answer
// may find that port, and then has only the number of the question to guess.
constexpr std::size_t questions_per_channel = 16;

std::string seconds_text(Duration duration) {
  char text[32];
  std::snprintf(text, sizeof text, "%g s", std::chrono::duration<double>(duration).count());
  return text;
}

const char* complaint(DnsCode code) noexcept {
  switch (code) {
    case DnsCode::server_failure:
      return "could not find out (SERVFAIL)";
    case DnsCode::refused:
      return "refused to answer (REFUSED)";
    case DnsCode::not_implemented:
      return "does not know such questions (NOTIMP)";
    case DnsCode::format_error:
      return "did not understand the question (FORMERR)";
    case DnsCode::no_error:
    case DnsCode::no_such_name:
      break;
  }
  return "failed in a way of its own";
}

bool settles(DnsCode code) noexcept {
  return code == DnsCode::no_error || code == DnsCode::no_such_name;
}

}  // namespace

struct DnsQuestions::Question {
  explicit Question(DnsKey asked) : key(std::move(asked)) {}

  // To whom it was sent, and by what; an answer may come late.
  struct Sending {
    std::shared_ptr<DnsChannel> channel;
    std::size_t server;
    bool answered = false;
  };

  DnsKey key;
  std::vector<Sending> sendings;
  std::map<std::uint64_t, Promise<Answer>> waiters;
  std::size_t first_server = 0;
  std::size_t tries_made = 0;
  // The server whose time runs now.
  std::size_t current = 0;
  DelayedCall timer;
  // What each server complained of; those are not asked again.
  std::vector<std::string> complaints;
  bool over = false;
};

DnsQuestions::DnsQuestions(Reactor& reactor, std::vector<Address> servers,
                           const DnsPatience& patience, std::size_t max_cached_answers)
    : Turn::Participant(reactor.turn()),
      reactor_(reactor),
      servers_(std::move(servers)),
      patience_(patience),
      cache_(reactor, max_cached_answers),
      channels_(servers_.size()) {}

DnsQuestions::~DnsQuestions() = default;

std::string DnsQuestions::servers_text() const {
  std::string text;
  for (const auto& server : servers_)
    text += (text.empty() ? "" : ", ") + server.text();
  return text;
}

// ---- those who wait

Deferred<DnsQuestions::Answer> DnsQuestions::ask(const std::string& name, DnsType type) {
  DnsKey key(name, type);
  if (auto known = cache_.find(key)) return succeed(std::move(known));
  if (const auto asked = questions_.find(key); asked != questions_.end()) {
    return join(asked->second);
  }
  const auto question = std::make_shared<Question>(std::move(key));
  question->complaints.resize(servers_.size());
  if (patience_.rotate) question->first_server = first_server_++ % servers_.size();
  auto answer = join(question);
  questions_.emplace(question->key, question);
  try_next(question);
  return answer;
}

Deferred<DnsQuestions::Answer> DnsQuestions::join(const QuestionPtr& question) {
  const auto id = ++last_waiter_;
  Promise<Answer> promise([weak = weak_from_this(), asked = std::weak_ptr(question), id] {
    const auto self = weak.lock();
    const auto left = asked.lock();
    if (self != nullptr && left != nullptr) self->leave(left, id);
  });
  auto answer = promise.deferred();
  question->waiters.emplace(id, std::move(promise));
  return answer;
}

void DnsQuestions::leave(const QuestionPtr& question, std::uint64_t waiter) {
  question->waiters.erase(waiter);
  if (question->waiters.empty() && !question->over) forget(question);
}

// ---- those who are asked

void DnsQuestions::try_next(const QuestionPtr& question) {
  const auto all = servers_.size() * static_cast<std::size_t>(patience_.tries);
  while (question->tries_made < all) {
    const auto server = (question->first_server + question->tries_made++) % servers_.size();
    if (!question->complaints[server].empty()) continue;
    question->current = server;
    // Others may join it, and go on waiting when the first has left.
    const auto everybody_s = Context::suppress();
    question->timer = reactor_.call_later(
        patience_.try_timeout, [weak = weak_from_this(), asked = std::weak_ptr(question)] {
          const auto self = weak.lock();
          const auto late = asked.lock();
          if (self == nullptr || late == nullptr || late->over) return;
          const auto& sending = late->sendings.back();
          self->retire(*sending.channel, sending.server);
          self->try_next(late);
        });
    try {
      send(question, server);
      return;
    } catch (const std::exception& error) {
      question->complaints[server] = std::string("cannot be asked: ") + error.what();
      question->timer.cancel_if_active();
    }
  }
  gave_up(question);
}

void DnsQuestions::send(const QuestionPtr& question, std::size_t server) {
  auto& current = channels_[server];
  if (current == nullptr || current->asked() == questions_per_channel) {
    current = std::make_shared<DnsChannel>(reactor_, servers_[server], 2 * patience_.try_timeout);
  }
  const auto channel = current;
  const auto sending = question->sendings.size();
  question->sendings.push_back({channel, server});
  channel->ask(question->key.first, question->key.second,
               [weak = weak_from_this(), asked = std::weak_ptr(question), sending](
                   DnsChannel::Result result, std::span<const std::uint8_t> message) {
                 const auto self = weak.lock();
                 const auto heard = asked.lock();
                 if (self != nullptr && heard != nullptr && !heard->over) {
                   self->heard(heard, sending, result, message);
                 }
               });
}

// Something that it was asked is not waited for any more, which c-ares 1.18 cannot be told: its
// port would stay open as long as it is asked anything else.
void DnsQuestions::retire(const DnsChannel& channel, std::size_t server) noexcept {
  if (channels_[server].get() == &channel) channels_[server].reset();
}

void DnsQuestions::heard(const QuestionPtr& question, std::size_t sending,
                         DnsChannel::Result result, std::span<const std::uint8_t> message) {
  question->sendings[sending].answered = true;
  const auto server = question->sendings[sending].server;
  // How long silence is waited for is our own clock's to say, not that of c-ares.
  if (result == DnsChannel::Result::silent) return;
  auto& complaints = question->complaints[server];
  if (result == DnsChannel::Result::unreachable) {
    complaints = "cannot be reached";
  } else if (auto read = read_dns_answer(message, question->key.first, question->key.second);
             !read) {
    complaints = "sent what is no answer of DNS";
  } else if (!settles(read->code)) {
    complaints = complaint(read->code);
  } else {
    read->server = servers_[server];
    read->came = reactor_.now();
    const auto answer = std::make_shared<const DnsAnswer>(std::move(*read));
    keep(question->key, answer);
    finish(question, answer);
    return;
  }
  if (question->current != server) return;
  question->timer.cancel_if_active();
  try_next(question);
}

void DnsQuestions::keep(const DnsKey& key, const Answer& answer) {
  if (!answer->ttl) return;
  const auto most = answer->records.empty() ? patience_.max_negative_ttl : patience_.max_ttl;
  cache_.keep(key, answer, std::min(*answer->ttl, most));
}

void DnsQuestions::gave_up(const QuestionPtr& question) {
  auto message = "Looking up " + std::string(dns_type_name(question->key.second)) + " of \"" +
                 question->key.first + "\" failed:";
  bool any_silent = false;
  std::size_t last_to_complain = 0;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const bool silent = question->complaints[i].empty();
    any_silent |= silent;
    if (!silent) last_to_complain = i;
    message += (i == 0 ? " the DNS server " : "; ") + servers_[i].text() + " " +
               (silent ? "did not answer within " + seconds_text(patience_.try_timeout) +
                             (patience_.tries > 1
                                  ? " each of " + std::to_string(patience_.tries) + " times"
                                  : "")
                       : question->complaints[i]);
  }
  message += ". Check the network, or name another server.";
  const auto& server = servers_[last_to_complain];
  finish(question, any_silent ? Failure(ResolveTimeout(message, server))
                              : Failure(ResolveError(message, server)));
}

// ---- the end

void DnsQuestions::finish(const QuestionPtr& question, Outcome<Answer> outcome) {
  const auto self = shared_from_this();
  forget(question);
  // Who waits may ask again, cancel, or let all of this go.
  for (auto& [id, promise] : std::exchange(question->waiters, {})) {
    if (!promise.fired()) promise.fire(outcome);
  }
}

void DnsQuestions::forget(const QuestionPtr& question) noexcept {
  question->over = true;
  question->timer.cancel_if_active();
  questions_.erase(question->key);
  for (const auto& sending : question->sendings) {
    if (!sending.answered) retire(*sending.channel, sending.server);
  }
  // What they alone have kept goes with its sockets.
  question->sendings.clear();
}

void DnsQuestions::close(const std::string& why) noexcept {
  const auto self = shared_from_this();
  for (auto& channel : channels_)
    channel.reset();
  try {
    for (const auto& [key, question] : std::exchange(questions_, {})) {
      finish(question,
             Failure(ResolveError("Looking up \"" + key.first + "\" ended, since " + why + ".")));
    }
  } catch (...) {
    log_failure("dns", "A look-up could not be told that it ended", Failure::current());
  }
}

}  // namespace weft::detail
