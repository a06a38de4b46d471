#include "run_queue.hpp"

#include <deque>
#include <utility>

namespace weft::detail {

namespace {

struct RunQueue {
  std::deque<Callback> waiting;
  bool running = false;
};

thread_local RunQueue queue;

// Ends the run also when a callback throws, and lets the rest run with the next one.
class Running {
 public:
  Running() noexcept { queue.running = true; }
  ~Running() { queue.running = false; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
};

}  // namespace

void run_in_queue(Callback callback) {
  queue.waiting.push_back(std::move(callback));
  if (queue.running) return;
  const Running running;
  while (!queue.waiting.empty()) {
    auto next = std::move(queue.waiting.front());
    queue.waiting.pop_front();
    next();
  }
}

}  // namespace weft::detail
