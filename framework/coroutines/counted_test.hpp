// What tells how many of it there are.
#pragma once

namespace weft {

/// Counts those of it that live, so that what is never destroyed, or twice, shows.
class Counted {
 public:
  explicit Counted(int& alive) noexcept : alive_(&alive) { ++*alive_; }
  Counted(const Counted& other) noexcept : alive_(other.alive_) { ++*alive_; }
  Counted& operator=(const Counted&) = default;
  ~Counted() { --*alive_; }

 private:
  int* alive_;
};

}  // namespace weft
