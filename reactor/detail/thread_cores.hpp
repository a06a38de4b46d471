// The cores that a thread may run on.
#pragma once

#include <thread>
#include <vector>

namespace weft::detail {

/// Binds `thread` to one core. Errors: AffinityError when the system refuses;
/// NotSupportedOnThisPlatform.
void bind_thread(std::thread::native_handle_type thread, int core);

/// Binds this thread to one core for as long as it lives. Errors: as `bind_thread`.
class BoundHere {
 public:
  explicit BoundHere(int core);
  ~BoundHere();
  BoundHere(const BoundHere&) = delete;
  BoundHere& operator=(const BoundHere&) = delete;

 private:
  std::vector<int> before_;
};

}  // namespace weft::detail
