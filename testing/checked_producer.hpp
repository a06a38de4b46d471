// A producer that notices when a transport does not keep to the producers' contract.
#pragma once

#include "../framework/producer.hpp"

#include <functional>
#include <string>
#include <vector>

namespace weft::testing {

/// Remembers what it is told, and what was wrong with it: pauses and resumes that do not alternate,
/// a pause of one that pulls, anything after `stop_producing` or after it was unregistered.
class CheckedProducer : public Producer {
 public:
  /// `on_resume` is what it does when it may write.
  explicit CheckedProducer(Streaming streaming, std::function<void()> on_resume = {});

  void resume_producing() override;
  void pause_producing() override;
  void stop_producing() override;
  /// The test has unregistered it: nothing may come any more.
  void unregistered() noexcept { over_ = true; }

  /// "resume", "pause", "stop", in order.
  [[nodiscard]] const std::vector<std::string>& events() const noexcept { return events_; }
  /// A sentence for each fault; empty while all was right.
  [[nodiscard]] const std::vector<std::string>& faults() const noexcept { return faults_; }
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }

 private:
  void told(const char* event);

  std::function<void()> on_resume_;
  std::vector<std::string> events_;
  std::vector<std::string> faults_;
  Streaming streaming_;
  bool paused_ = false;
  bool stopped_ = false;
  bool over_ = false;
};

}  // namespace weft::testing
