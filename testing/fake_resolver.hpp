// Names whose answers, delays and failures a test decides on.
#pragma once

#include "../framework/clock.hpp"
#include "../framework/resolver.hpp"

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::testing {

/// Gives each name what the test said, when its clock says so. An unknown name does not exist.
/// Lifetime: the clock must live longer.
class FakeResolver : public Resolver {
 public:
  /// What comes of a question.
  struct Answer {
    Answer() {}
    Answer(std::vector<Address> found, Duration delay = Duration::zero())
        : addresses(std::move(found)), after(delay) {}
    Answer(Failure reason, Duration delay = Duration::zero())
        : failure(std::move(reason)), after(delay) {}
    /// One that never comes.
    [[nodiscard]] static Answer never();

    /// Their ports are filled in.
    std::vector<Address> addresses;
    std::optional<Failure> failure;
    /// Nothing: it never comes. Zero: it is there inside the call.
    std::optional<Duration> after = Duration::zero();
  };

  explicit FakeResolver(Clock& clock);
  ~FakeResolver() override;

  /// Both families come together.
  void add(std::string name, Answer answer);
  /// Each family comes by itself.
  void add_families(std::string name, Answer ipv6, Answer ipv4);

  /// The names that were asked for, in order.
  [[nodiscard]] const std::vector<std::string>& questions() const noexcept { return questions_; }
  /// How many questions were cancelled before their answer came.
  [[nodiscard]] std::size_t cancelled() const noexcept { return *cancelled_; }

  Deferred<std::vector<Address>> resolve(std::string host, Port port) override;
  std::optional<Families> resolve_families(const std::string& host, Port port) override;

 private:
  struct Name {
    std::optional<Answer> both;
    Answer ipv6;
    Answer ipv4;
  };
  struct Pending;
  Deferred<std::vector<Address>> give(const Answer& answer, Port port);

  Clock& clock_;
  std::map<std::string, Name> names_;
  std::vector<std::string> questions_;
  std::vector<std::shared_ptr<Pending>> pending_;
  std::shared_ptr<std::size_t> cancelled_ = std::make_shared<std::size_t>(0);
};

}  // namespace weft::testing
