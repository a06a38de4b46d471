#include "reactor_pool.hpp"

#include "../framework/logging.hpp"
#include "detail/pool_core.hpp"
#include "topic.hpp"

#include <algorithm>
#include <exception>
#include <numeric>
#include <string>
#include <thread>
#include <utility>

namespace weft {

namespace {

std::size_t cores_here() {
  // Zero where it cannot be known.
  return std::max(std::thread::hardware_concurrency(), 1U);
}

[[noreturn]] void refuse_outside(const char* what_instead) {
  throw WrongThreadError(
      std::string(
          "This thread runs no reactor of the pool, so a result could not come back to it; ") +
      what_instead + ".");
}

}  // namespace

namespace detail {

void refuse_topic_outside_of_pool() {
  refuse_outside("enter one by ReactorPool::call_from_thread");
}

}  // namespace detail

ReactorPool::ReactorPool(std::optional<std::size_t> count, const ReactorPoolOptions& options)
    : core_(std::make_shared<detail::PoolCore>(*this, count.value_or(cores_here()), options)) {}

ReactorPool::~ReactorPool() {
  if (core_->state() == detail::PoolCore::State::idle) return;
  stop_from_thread();
  if (index()) {
    log(LogLevel::error, "pool",
        "A pool was destroyed in a thread that runs one of its reactors, so it cannot wait for "
        "itself and the program ends; stop it there, and destroy it in another thread");
    std::terminate();
  }
  try {
    join();
  } catch (const Error&) {
    // It was logged when it happened.
    return;
  } catch (...) {
    log_failure("pool", "A pool ended with its reactor's error", Failure::current());
  }
}

void ReactorPool::run() {
  core_->start(false);
  core_->run_first();
  core_->join();
}

void ReactorPool::start() {
  core_->start(true);
}

void ReactorPool::join() {
  core_->join();
}

void ReactorPool::stop() {
  core_->stop();
}

void ReactorPool::stop_from_thread() noexcept {
  core_->stop_from_thread();
}

bool ReactorPool::running() const noexcept {
  return core_->state() == detail::PoolCore::State::running;
}

std::size_t ReactorPool::size() const noexcept {
  return core_->size();
}

Reactor& ReactorPool::reactor(std::size_t index) const {
  return core_->reactor(index);
}

std::optional<std::size_t> ReactorPool::index() const noexcept {
  return core_->index();
}

bool ReactorPool::post(std::size_t index, Callback call) {
  return core_->post(index, std::move(call));
}

ReactorPool::Home ReactorPool::home() const {
  const auto here = index();
  if (!here) refuse_outside("use call_from_thread");
  return {reactor(*here), core_->door(*here)};
}

// ---- ports

template <class Listen>
PoolPort ReactorPool::listening(Spread spread, Listen listen) {
  auto state = std::make_shared<detail::PoolPortState>(core_, size(), spread);
  try {
    listen(core_->ports(), state);
  } catch (...) {
    // Some of them may listen already.
    core_->ports().stop(state);
    throw;
  }
  return PoolPort(std::move(state));
}

PoolPort ReactorPool::listen_tcp(Port port, FactoryMaker make_factory, const ListenOptions& options,
                                 Spread spread) {
  return listening(spread, [&](detail::PoolPorts& ports, const auto& state) {
    ports.listen_tcp(state, port, std::move(make_factory), options);
  });
}

PoolPort ReactorPool::listen_unix(std::string path, FactoryMaker make_factory,
                                  const UnixListenOptions& options, Spread spread) {
  return listening(spread, [&](detail::PoolPorts& ports, const auto& state) {
    ports.listen_unix(state, std::move(path), std::move(make_factory), options);
  });
}

PoolPort::PoolPort() noexcept = default;

PoolPort::PoolPort(std::shared_ptr<detail::PoolPortState> state) noexcept
    : state_(std::move(state)) {}

Address PoolPort::address() const {
  return state_ != nullptr ? state_->address : Address();
}

bool PoolPort::listening() const noexcept {
  if (state_ == nullptr || !state_->listening) return false;
  const auto core = state_->core.lock();
  return core != nullptr && core->state() != detail::PoolCore::State::ended;
}

std::size_t PoolPort::connections() const noexcept {
  if (state_ == nullptr) return 0;
  return std::accumulate(state_->connections.begin(), state_->connections.end(), std::size_t{0});
}

void PoolPort::stop() {
  if (state_ == nullptr) return;
  if (const auto core = state_->core.lock()) core->ports().stop(state_);
}

Deferred<void> PoolPort::drained() const {
  return ask_all([](detail::PoolPorts& ports, const auto& state, std::size_t index) {
    return ports.drained(state, index);
  });
}

Deferred<void> PoolPort::close_connections(Duration deadline) {
  stop();
  return ask_all([deadline](detail::PoolPorts& ports, const auto& state, std::size_t index) {
    return ports.close_connections(state, index, deadline);
  });
}

template <class Ask>
Deferred<void> PoolPort::ask_all(Ask ask) const {
  const auto core = state_ != nullptr ? state_->core.lock() : nullptr;
  if (core == nullptr) return succeed();
  std::vector<Deferred<void>> answers;
  for (std::size_t i = 0; i < core->size(); ++i) {
    auto& ports = core->ports();
    Deferred<void> answer = core->pool.call_on(
        i, [ask, &ports, state = state_, i](Reactor&) { return ask(ports, state, i); });
    // What has ended has no connections.
    answers.push_back(
        std::move(answer).template add_errback<NotRunningError>([](const NotRunningError&) {}));
  }
  return gather_results(std::move(answers));
}

}  // namespace weft
