// What of the suite of streams cannot be shown by carriers without resets, whose peer sees an end.
#pragma once

#include <map>
#include <string>

namespace weft::testing {

/// Behaviours, each with the reason.
inline std::map<std::string, std::string> what_needs_resets() {
  std::map<std::string, std::string> skipped;
  for (const char* const behaviour :
       {"IsLostForTheReasonThatItWasAbortedWith", "LosesOnlyTheConnectionWhoseCallbackThrew",
        "LosesTheConnectionWhosePauseWritingThrows", "MayBeAbortedAfterLoseWithAFullBuffer",
        "MayBeAbortedInDataReceivedAndThePeerSeesAReset", "MayBeAbortedWhilePausedAndInEofReceived",
        "ReportsAResetWhilePaused", "StopsItsProducerWhenThePeerResets"}) {
    skipped[behaviour] = "the system has no resets for this carrier";
  }
  return skipped;
}

}  // namespace weft::testing
