// Who fills a transport: producers that push until told to pause, and producers that are asked each
// time.
#pragma once

namespace weft {

/// How a producer works: `push` runs until paused; `pull` writes once each time it is resumed.
enum class Streaming { pull, push };

/// Something that writes to a transport at the transport's pace.
class Producer {
 public:
  virtual ~Producer();
  /// A push producer may write again; a pull producer shall write once.
  virtual void resume_producing() = 0;
  /// Push only: stop writing until resumed.
  virtual void pause_producing() {}
  /// The connection is gone: write no more. Called at most once, last of all.
  virtual void stop_producing() = 0;
};

}  // namespace weft
