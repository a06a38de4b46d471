#include "checked_producer.hpp"

#include <utility>

namespace weft::testing {

CheckedProducer::CheckedProducer(Streaming streaming, std::function<void()> on_resume)
    : on_resume_(std::move(on_resume)), streaming_(streaming) {}

void CheckedProducer::told(const char* event) {
  events_.emplace_back(event);
  if (stopped_) {
    faults_.push_back(std::string(event) + " came after stop");
  } else if (over_) {
    faults_.push_back(std::string(event) + " came after it was unregistered");
  }
}

void CheckedProducer::resume_producing() {
  told("resume");
  if (streaming_ == Streaming::push && !std::exchange(paused_, false)) {
    faults_.emplace_back("resume came without a pause before it");
  }
  if (on_resume_) on_resume_();
}

void CheckedProducer::pause_producing() {
  told("pause");
  if (streaming_ == Streaming::pull) {
    faults_.emplace_back("pause came to a producer that pulls");
  } else if (std::exchange(paused_, true)) {
    faults_.emplace_back("pause came twice");
  }
}

void CheckedProducer::stop_producing() {
  told("stop");
  stopped_ = true;
}

}  // namespace weft::testing
