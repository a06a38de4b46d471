// Who makes the protocol for each new connection.
#pragma once

#include "address.hpp"
#include "protocol.hpp"

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft {

/// Builds a protocol for every connection of a port or a client, and holds what they share.
class Factory {
 public:
  Factory();
  virtual ~Factory();
  Factory(const Factory&) = delete;
  Factory& operator=(const Factory&) = delete;

  /// The protocol for a connection with `peer`; null refuses the peer, whose connection is closed.
  virtual std::shared_ptr<Protocol> build_protocol(const Address& peer) = 0;
  /// The first port or connection attempt begins to use this factory.
  virtual void start_factory() {}
  /// The last one no longer does. May be followed by `start_factory` again.
  virtual void stop_factory() {}

  /// Counts a user in; called by ports and connection attempts, not by applications.
  void add_user();
  /// Counts a user out.
  void remove_user();
  [[nodiscard]] int users() const noexcept { return users_; }

 private:
  int users_ = 0;
};

namespace detail {

template <class P, class... Args>
class ProtocolFactory final : public Factory {
 public:
  explicit ProtocolFactory(Args... args) : args_(std::move(args)...) {}
  std::shared_ptr<Protocol> build_protocol(const Address&) override {
    return std::apply([](const Args&... args) { return std::make_shared<P>(args...); }, args_);
  }

 private:
  std::tuple<Args...> args_;
};

template <class F>
class FunctionFactory final : public Factory {
 public:
  explicit FunctionFactory(F build) : build_(std::move(build)) {}
  std::shared_ptr<Protocol> build_protocol(const Address& peer) override {
    if constexpr (std::is_invocable_v<F&, const Address&>) {
      return build_(peer);
    } else {
      return build_();
    }
  }

 private:
  F build_;
};

}  // namespace detail

/// A factory that makes a `P(args...)` for each connection. Pass std::ref for what all of them
/// shall share.
template <class P, class... Args>
[[nodiscard]] std::shared_ptr<Factory> factory_for(Args... args) {
  return std::make_shared<detail::ProtocolFactory<P, Args...>>(std::move(args)...);
}

/// A factory that calls `build(const Address&)` or `build()` for each connection.
template <class F>
[[nodiscard]] std::shared_ptr<Factory> factory_from(F build) {
  return std::make_shared<detail::FunctionFactory<F>>(std::move(build));
}

}  // namespace weft
