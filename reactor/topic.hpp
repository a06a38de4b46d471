// Messages from any reactor of a pool to all of them, without a lock in a protocol.
#pragma once

#include "../framework/context.hpp"
#include "../framework/error.hpp"
#include "../framework/turn.hpp"
#include "../framework/unique_function.hpp"
#include "reactor_pool.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

/// One reactor's part of a topic; its thread alone touches it, but for the count.
template <class T>
struct TopicPart {
  struct Entry {
    UniqueFunction<void(const T&)> call;
    // That of `subscribe`: what a message was published in is its publisher's own.
    HeldContext context = HeldContext::capture();
    bool wanted = true;
  };

  // During a delivery none is taken out.
  std::vector<std::shared_ptr<Entry>> entries;
  int deliveries = 0;
  bool sweeping = false;
  std::vector<T> unsent;
  bool sending = false;
  // Where nobody listens, no message need wake the loop.
  std::atomic<std::size_t> subscribers{0};

  void leave(Entry& entry) noexcept {
    entry.wanted = false;
    --subscribers;
    if (deliveries == 0) sweep();
  }
  // What a subscriber held may itself leave or subscribe as it goes, so each goes by itself.
  void sweep() noexcept {
    if (std::exchange(sweeping, true)) return;
    while (move_unwanted_last()) {
      while (!entries.empty() && !entries.back()->wanted) {
        const auto gone = std::move(entries.back());
        entries.pop_back();
      }
    }
    sweeping = false;
  }
  /// Keeps the others in order; false where all are wanted.
  bool move_unwanted_last() noexcept {
    std::size_t kept = 0;
    for (auto& entry : entries) {
      if (entry->wanted) std::swap(entries[kept++], entry);
    }
    return kept < entries.size();
  }
  void deliver(Turn& turn, const std::vector<T>& batch) {
    ++deliveries;
    for (const T& message : batch) {
      // Who comes meanwhile begins with the next message.
      const auto count = entries.size();
      for (std::size_t i = 0; i < count; ++i) {
        const auto entry = entries[i];
        if (!entry->wanted) continue;
        auto context = entry->context.share();
        const ContextSwitch inside(context);
        turn.enter_logged("A subscriber of a topic threw", [&] { entry->call(message); });
      }
    }
    if (--deliveries == 0) sweep();
  }
};

template <class T>
struct TopicParts {
  explicit TopicParts(ReactorPool& owner) : pool(owner), of_reactor(owner.size()) {}
  ReactorPool& pool;
  std::vector<TopicPart<T>> of_reactor;
};

[[noreturn]] void refuse_topic_outside_of_pool();

}  // namespace detail

/// Ends a subscription when it is destroyed or cancelled. Thread: that of the reactor where it was
/// made, while that runs.
class [[nodiscard]] Subscription {
 public:
  Subscription() noexcept = default;
  explicit Subscription(Callback end) noexcept : end_(std::move(end)) {}
  Subscription(Subscription&& other) noexcept : end_(std::exchange(other.end_, Callback())) {}
  Subscription& operator=(Subscription&& other) noexcept {
    if (this != &other) {
      cancel();
      end_ = std::exchange(other.end_, Callback());
    }
    return *this;
  }
  ~Subscription() { cancel(); }

  /// Not called again from now on.
  void cancel() noexcept {
    if (auto end = std::exchange(end_, Callback())) end();
  }
  [[nodiscard]] bool active() const noexcept { return static_cast<bool>(end_); }

 private:
  Callback end_;
};

/// Messages that reach the subscribers in all reactors of a pool, each in the thread of its own
/// reactor. What one reactor publishes arrives everywhere in that order, and what it publishes
/// while its loop comes round once arrives together, with one wake-up of each other reactor.
/// Lifetime: messages are shared, not copied: several threads may read one at the same time, as
/// they may read `Bytes`. It must not outlive its pool. Limits: none. A reactor that is slower than
/// the publishers has what it was sent waiting; its subscribers see to it by the back-pressure of
/// their transports, which tells whom to drop or when to publish less.
/// Thread: that of any reactor of the pool; WrongThreadError in others.
template <class T>
class Topic {
 public:
  explicit Topic(ReactorPool& pool) : parts_(std::make_shared<detail::TopicParts<T>>(pool)) {}

  /// Has `f(const T&)` called for each message that reaches this reactor from now on, until the
  /// subscription ends, in the context of this call. What it throws is logged.
  template <class F>
  Subscription subscribe(F f) {
    const auto index = here();
    auto& part = parts_->of_reactor[index];
    auto entry = std::make_shared<typename detail::TopicPart<T>::Entry>();
    entry->call = std::move(f);
    Subscription subscription(
        [parts = parts_, index, entry] { parts->of_reactor[index].leave(*entry); });
    ++part.subscribers;
    part.entries.push_back(std::move(entry));
    return subscription;
  }

  /// Sends `message` to all subscribers, those of this reactor included, when the loop comes round.
  void publish(T message) {
    const auto index = here();
    auto& part = parts_->of_reactor[index];
    part.unsent.push_back(std::move(message));
    if (part.sending) return;
    // It sends for all who publish until then.
    const auto alone = Context::suppress();
    Reactor::current().call_later(Duration::zero(),
                                  [parts = parts_, index] { send(parts, index); });
    part.sending = true;
  }

 private:
  using Parts = std::shared_ptr<detail::TopicParts<T>>;

  [[nodiscard]] std::size_t here() const {
    const auto index = parts_->pool.index();
    if (!index) detail::refuse_topic_outside_of_pool();
    return *index;
  }

  static void send(const Parts& parts, std::size_t from) {
    auto& own = parts->of_reactor[from];
    own.sending = false;
    const auto batch = std::make_shared<const std::vector<T>>(std::exchange(own.unsent, {}));
    auto& pool = parts->pool;
    for (std::size_t i = 0; i < pool.size(); ++i) {
      if (i == from || parts->of_reactor[i].subscribers == 0) continue;
      // A reactor that has ended has no subscribers any more.
      pool.call_from_thread(i, [parts, i, batch](Reactor& reactor) {
        parts->of_reactor[i].deliver(reactor.turn(), *batch);
      });
    }
    own.deliver(pool.reactor(from).turn(), *batch);
  }

  Parts parts_;
};

}  // namespace weft
