#include "stack_sampler.hpp"

#include "../../framework/detail/names.hpp"

#if defined(__linux__) && __has_include(<execinfo.h>)

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <execinfo.h>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string_view>
#include <unistd.h>

namespace weft::detail {

namespace {

// Nothing happens by it where nobody has asked, should one come late.
constexpr int signal_number = SIGURG;
constexpr long patience_ns = 100'000'000;
constexpr int max_frames = 64;
// The handler itself, and what the system calls it through.
constexpr int frames_of_ours = 2;

// What is asked of the thread, and what its handler answers without lock and memory.
struct Question {
  const Turn* turn = nullptr;
  std::array<void*, max_frames> frames{};
  int frame_count = 0;
  const char* subject_type = nullptr;
  SourceLocation scheduled_at;
  sem_t answered{};
};

// One question at a time, whichever thread it is put to.
std::mutex asking;
std::atomic<Question*> asked{nullptr};
// Which thread it is put to: a signal that comes late, to another, leaves it alone.
std::atomic<pthread_t> asked_thread{};

std::mutex installing;
int users = 0;
struct sigaction before {};

void answer(Question& question) noexcept {
  const auto subject = question.turn->subject();
  if (subject.participant != nullptr) question.subject_type = subject.participant->subject_type();
  if (subject.call != nullptr) question.scheduled_at = *subject.call;
  question.frame_count = ::backtrace(question.frames.data(), max_frames);
  ::sem_post(&question.answered);
}

extern "C" void weft_sample_stack(int number, siginfo_t* info, void* context) {
  const int saved = errno;
  const bool ours = info->si_code == SI_TKILL && info->si_pid == ::getpid() &&
                    ::pthread_equal(asked_thread.load(), ::pthread_self()) != 0;
  Question* const question = ours ? asked.exchange(nullptr) : nullptr;
  if (question != nullptr) {
    answer(*question);
  } else if ((before.sa_flags & SA_SIGINFO) != 0) {
    if (before.sa_sigaction != nullptr) before.sa_sigaction(number, info, context);
  } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(number);
  }
  errno = saved;
}

void install() {
  const std::lock_guard lock(installing);
  if (users++ > 0) return;
  // The first use loads a library, which no signal handler may do.
  std::array<void*, 1> frame;
  ::backtrace(frame.data(), 1);
  struct sigaction ours {};
  ours.sa_sigaction = weft_sample_stack;
  ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  ::sigaction(signal_number, &ours, &before);
}

void remove() {
  const std::lock_guard lock(installing);
  if (--users > 0) return;
  // Who has put another in its place meanwhile keeps that.
  struct sigaction now {};
  ::sigaction(signal_number, nullptr, &now);
  if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == weft_sample_stack) {
    ::sigaction(signal_number, &before, nullptr);
  }
}

// "program(_ZN4EchoEv+0x12) [0x...]" with the name as in the source.
std::string readable(std::string_view symbol) {
  const auto open = symbol.find('(');
  const auto plus = symbol.find('+', open);
  if (open == symbol.npos || plus == symbol.npos || plus == open + 1) return std::string(symbol);
  const std::string name(symbol.substr(open + 1, plus - open - 1));
  return type_text(name.c_str());
}

std::vector<std::string> stack_of(const Question& question) {
  std::vector<std::string> stack;
  const std::unique_ptr<char*, decltype(&std::free)> symbols(
      ::backtrace_symbols(question.frames.data(), question.frame_count), &std::free);
  if (symbols == nullptr) return stack;
  for (int i = frames_of_ours; i < question.frame_count; ++i)
    stack.push_back(readable(symbols.get()[i]));
  return stack;
}

// True when the thread has answered.
bool ask(pthread_t thread, Question& question) {
  asked_thread = thread;
  asked = &question;
  if (::pthread_kill(thread, signal_number) != 0) {
    asked = nullptr;
    return false;
  }
  timespec until{};
  ::clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += patience_ns;
  until.tv_sec += until.tv_nsec / 1'000'000'000;
  until.tv_nsec %= 1'000'000'000;
  while (::sem_timedwait(&question.answered, &until) != 0) {
    if (errno == EINTR) continue;
    if (asked.exchange(nullptr) != nullptr) return false;
    // It has begun to answer.
    while (::sem_wait(&question.answered) != 0) {
    }
    return true;
  }
  return true;
}

}  // namespace

struct StackSampler::Target {
  pthread_t thread = ::pthread_self();
};

StackSampler::StackSampler() : target_(std::make_shared<Target>()) {
  install();
}

StackSampler::~StackSampler() {
  remove();
}

std::optional<StackSample> StackSampler::sample(const Turn& turn) {
  const std::lock_guard lock(asking);
  Question question;
  question.turn = &turn;
  ::sem_init(&question.answered, 0, 0);
  const bool answered = ask(target_->thread, question);
  ::sem_destroy(&question.answered);
  if (!answered) return std::nullopt;
  return StackSample{question.subject_type, question.scheduled_at, stack_of(question)};
}

}  // namespace weft::detail

#else

namespace weft::detail {

StackSampler::StackSampler() = default;
StackSampler::~StackSampler() = default;

std::optional<StackSample> StackSampler::sample(const Turn&) {
  return std::nullopt;
}

}  // namespace weft::detail

#endif
