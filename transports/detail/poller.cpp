#include "poller.hpp"

#include <cerrno>
#include <span>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace weft::detail {

// What one epoll_wait gave, and who of it has not been told yet.
struct Poller::Batch {
  std::array<epoll_event, batch_size> events;
  std::size_t next = 0;
  std::size_t count = 0;
  Batch* outer = nullptr;
};

namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::system_category(), what);
}

epoll_event event_for(std::uint32_t events, Polled* who) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = who;
  return event;
}

}  // namespace

Poller::Poller() : set_(::epoll_create1(EPOLL_CLOEXEC)), wake_up_(-1) {
  if (set_ < 0) fail("An epoll set could not be made");
  wake_up_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  // Edge-triggered, so that nobody has to read it: each write to it is an edge.
  auto event = event_for(EPOLLIN | EPOLLET, nullptr);
  if (wake_up_ < 0 || ::epoll_ctl(set_, EPOLL_CTL_ADD, wake_up_, &event) != 0) {
    const int reason = errno;
    if (wake_up_ >= 0) ::close(wake_up_);
    ::close(set_);
    errno = reason;
    fail("A loop could not get a way to be woken");
  }
}

Poller::~Poller() {
  ::close(wake_up_);
  ::close(set_);
}

void Poller::add(int descriptor, std::uint32_t events, Polled& who) {
  auto event = event_for(events, &who);
  if (::epoll_ctl(set_, EPOLL_CTL_ADD, descriptor, &event) != 0) {
    fail("A descriptor could not be waited for");
  }
}

void Poller::change(int descriptor, std::uint32_t events, Polled& who) {
  auto event = event_for(events, &who);
  if (::epoll_ctl(set_, EPOLL_CTL_MOD, descriptor, &event) != 0) {
    fail("A descriptor could not be waited for");
  }
}

void Poller::remove(int descriptor, Polled& who) noexcept {
  ::epoll_ctl(set_, EPOLL_CTL_DEL, descriptor, nullptr);
  for (auto* batch = batch_; batch != nullptr; batch = batch->outer) {
    for (auto& event : std::span(batch->events).subspan(batch->next, batch->count - batch->next)) {
      if (event.data.ptr == &who) event.data.ptr = nullptr;
    }
  }
}

void Poller::wait(int milliseconds) noexcept {
  Batch batch;
  const int count =
      ::epoll_wait(set_, batch.events.data(), static_cast<int>(batch_size), milliseconds);
  crowded_ = count == static_cast<int>(batch_size);
  if (count <= 0) return;
  batch.count = static_cast<std::size_t>(count);
  batch.outer = batch_;
  batch_ = &batch;
  while (batch.next < batch.count) {
    const auto& event = batch.events[batch.next++];
    auto* const who = static_cast<Polled*>(event.data.ptr);
    if (who != nullptr) who->ready(event.events);
  }
  batch_ = batch.outer;
}

void Poller::wake() noexcept {
  const std::uint64_t one = 1;
  // It fails only when nobody has read it 2^64 times: then it is awake.
  [[maybe_unused]] const auto written = ::write(wake_up_, &one, sizeof one);
}

}  // namespace weft::detail
