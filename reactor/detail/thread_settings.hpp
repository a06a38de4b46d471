// What the system knows of a thread: its name and the cores it may run on.
#pragma once

#include <string>
#include <thread>
#include <vector>

namespace weft::detail {

/// Calls this thread `name`, as far as the system keeps it.
void name_this_thread(const std::string& name) noexcept;

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
