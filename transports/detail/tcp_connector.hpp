// One attempt to connect by TCP on an Asio loop: a name's addresses as a race, within one time.
#pragma once

#include "../../framework/connect_attempt.hpp"
#include "../../framework/happy_eyeballs.hpp"
#include "asio_loop.hpp"

#include <memory>
#include <string>
#include <vector>

namespace weft::detail::WEFT_BACKEND {

class TcpConnector final : public ConnectAttempt, private HappyEyeballs::Attempts {
 public:
  TcpConnector(AsioLoop& loop, std::shared_ptr<Factory> factory, std::string host, Port port);
  ~TcpConnector() override;

  Deferred<std::shared_ptr<Protocol>> start(const ConnectOptions& options);

 private:
  /// A socket on its way to one address.
  struct Attempt {
    Attempt(AsioLoop& loop, const Address& there) : socket(loop.io), address(there) {}
    Tcp::socket socket;
    Address address;
    bool connecting = false;
    bool abandoned = false;
  };

  void end_attempt() noexcept override;
  [[nodiscard]] std::string target() const override;

  void start_attempt(std::size_t number, const Address& address) override;
  void abandon_attempt(std::size_t number) noexcept override;
  void race_won(std::size_t number) override;
  void race_lost(Failure reason) override { failed(std::move(reason)); }

  void connect();
  std::optional<Failure> prepare(Attempt& attempt);
  void connect_done(std::size_t number, const ErrorCode& error);
  void attempt_failed(std::size_t number, Failure reason);
  void timed_out();
  std::shared_ptr<TcpConnector> self() {
    return std::static_pointer_cast<TcpConnector>(shared_from_this());
  }

  std::shared_ptr<AsioLoop> loop_;
  std::string host_;
  Port port_;
  ConnectOptions options_;
  // Sockets stay where they are: Asio keeps what it knows of them by their place.
  std::vector<std::unique_ptr<Attempt>> attempts_;
  // Null for a numeric host, whose one attempt decides.
  std::shared_ptr<HappyEyeballs> race_;
  DelayedCall timeout_;
};

}  // namespace weft::detail::WEFT_BACKEND
