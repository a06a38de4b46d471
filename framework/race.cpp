#include "race.hpp"

#include <string>

namespace weft {

namespace {

std::string told(const std::vector<Failure>& failures) {
  std::string text = "None of the " + std::to_string(failures.size()) + " operations succeeded";
  const char* before = ": ";
  for (const auto& failure : failures) {
    text += before + failure.message();
    before = "; ";
  }
  return text + (failures.empty() ? ": there was none." : "");
}

}  // namespace

AllFailed::AllFailed(std::vector<Failure> failures)
    : Error(told(failures)), failures_(std::move(failures)) {}

}  // namespace weft
