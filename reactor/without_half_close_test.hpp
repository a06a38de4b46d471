// What of the suite of streams cannot be shown by carriers that cannot end one direction alone.
#pragma once

#include <map>
#include <string>

namespace weft::testing {

/// Adds the behaviours, each with the reason.
inline void skip_half_closes(std::map<std::string, std::string>& skipped,
                             const std::string& reason) {
  for (const char* const behaviour :
       {"DeliversDataBeforeTheEndThatComesWithIt", "DeliversTheEndThatCameWhilePausedAtResume",
        "DropsWhatIsWrittenAfterAHalfClose", "EndsOnceWhenBothHalvesAreClosed",
        "FlushesBeforeItHalfCloses", "FlushesTwentyMegabytesToAPeerThatHalfClosed",
        "HalfClosesToAPeerThatIsPaused", "IsLostWhenAWriteFailsAfterThePeersEnd",
        "LosesTheConnectionWhoseEofReceivedThrows",
        "TakesTheEndsOfBothSidesAtOnceWithOutputInBothDirections",
        "WaitsForTheProducerBeforeItHalfCloses", "WritesOnAfterThePeersEnd"}) {
    skipped[behaviour] = reason;
  }
}

}  // namespace weft::testing
