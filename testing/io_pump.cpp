#include "io_pump.hpp"

#include <stdexcept>
#include <utility>

namespace weft::testing {

namespace {

constexpr int max_steps = 50'000'000;
constexpr std::size_t max_random_piece = 64;

}  // namespace

std::size_t Delivery::next_size() {
  switch (kind_) {
    case Kind::all:
      return SIZE_MAX;
    case Kind::bytes:
      return 1;
    case Kind::random:
      break;
  }
  return 1 + random_() % max_random_piece;
}

IoPump::IoPump(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server,
               Delivery delivery, std::size_t capacity)
    : delivery_(delivery) {
  std::tie(client_, server_) = MemoryTransport::make_pair(clock_, capacity);
  server_->establish(std::move(server));
  client_->establish(std::move(client));
  clock_.settle();
}

IoPump::~IoPump() = default;

bool IoPump::pump() {
  clock_.settle();
  const bool to_server = server_->deliver(delivery_.next_size());
  const bool to_client = client_->deliver(delivery_.next_size());
  clock_.settle();
  return to_server || to_client;
}

void IoPump::flush() {
  for (int step = 0; step < max_steps; ++step) {
    if (!pump()) return;
  }
  throw std::logic_error("The two protocols talk for ever; pump by hand instead.");
}

}  // namespace weft::testing
