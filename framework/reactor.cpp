#include "reactor.hpp"

#include "error.hpp"
#include "turn.hpp"

namespace weft {

namespace {

[[noreturn]] void refuse(const Reactor& reactor, const std::string& what) {
  throw NotSupportedOnThisPlatform("The reactor \"" + std::string(reactor.name()) + "\" has no " +
                                   what);
}

[[noreturn]] void refuse_unix_sockets(const Reactor& reactor) {
  refuse(reactor, "UNIX sockets here; use TCP on 127.0.0.1 instead.");
}

}  // namespace

Reactor::Reactor() = default;
Reactor::~Reactor() = default;

Reactor* Reactor::current_or_null() noexcept {
  const Turn* const turn = Turn::current();
  return turn != nullptr ? turn->reactor() : nullptr;
}

Reactor& Reactor::current() {
  if (Reactor* const reactor = current_or_null()) return *reactor;
  throw NoReactorError(
      "No reactor runs this code; call it from a reactor's callback, or pass the reactor along.");
}

std::vector<PendingWork> Reactor::pending() const {
  std::vector<PendingWork> found;
  turn().each_participant([&](const Turn::Participant& participant) {
    auto work = participant.describe();
    if (!work.kind.empty()) found.push_back(std::move(work));
  });
  describe_calls(found);
  describe_more(found);
  return found;
}

std::string Reactor::report_pending() const {
  return weft::report_pending(pending());
}

ReactorStats Reactor::stats() const {
  ReactorStats stats;
  stats.counts = turn().counts();
  stats.connections = stats.counts.connections_made - stats.counts.connections_lost;
  stats.pending_calls = pending_calls();
  return stats;
}

ListeningPort Reactor::listen_unix(std::string, std::shared_ptr<Factory>,
                                   const UnixListenOptions&) {
  refuse_unix_sockets(*this);
}

Deferred<std::shared_ptr<Protocol>> Reactor::connect_unix(std::string, std::shared_ptr<Factory>,
                                                          const ConnectOptions&) {
  refuse_unix_sockets(*this);
}

ListeningPort Reactor::adopt_port(Descriptor, std::shared_ptr<Factory>) {
  refuse(*this, "way to adopt a socket; have it listen itself.");
}

std::shared_ptr<DatagramTransport> Reactor::listen_udp(Port, std::shared_ptr<DatagramProtocol>,
                                                       const DatagramOptions&) {
  refuse(*this, "datagrams here; use another reactor.");
}

std::shared_ptr<DatagramTransport> Reactor::listen_unix_datagrams(std::string,
                                                                  std::shared_ptr<DatagramProtocol>,
                                                                  const DatagramOptions&) {
  refuse(*this, "UNIX datagrams here; use UDP on 127.0.0.1 instead.");
}

std::shared_ptr<Process> Reactor::spawn_process(std::shared_ptr<ProcessProtocol>,
                                                const ProcessOptions&) {
  refuse(*this, "processes here; use another reactor.");
}

}  // namespace weft
