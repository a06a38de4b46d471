// One attempt to connect by TCP on an Asio loop: a name's addresses in turn, within one time.
#pragma once

#include "../../framework/connect_attempt.hpp"
#include "asio_loop.hpp"

#include <string>
#include <vector>

namespace weft::detail::WEFT_BACKEND {

class TcpConnector final : public ConnectAttempt {
 public:
  TcpConnector(AsioLoop& loop, std::shared_ptr<Factory> factory, std::string host, Port port);
  ~TcpConnector() override;

  Deferred<std::shared_ptr<Protocol>> start(const ConnectOptions& options);

 private:
  void end_attempt() noexcept override;
  [[nodiscard]] std::string target() const override;

  void resolve();
  void try_next();
  bool prepare(const Address& address);
  void connect_done(const ErrorCode& error);
  void timed_out();
  [[nodiscard]] Failure failure_from(const ErrorCode& error) const;
  std::shared_ptr<TcpConnector> self() {
    return std::static_pointer_cast<TcpConnector>(shared_from_this());
  }

  std::shared_ptr<AsioLoop> loop_;
  Tcp::socket socket_;
  std::string host_;
  Port port_;
  ConnectOptions options_;
  std::vector<Address> addresses_;
  std::size_t next_ = 0;
  bool connecting_ = false;
  DelayedCall timeout_;
  Canceller lookup_;
  std::optional<Failure> last_failure_;
};

}  // namespace weft::detail::WEFT_BACKEND
