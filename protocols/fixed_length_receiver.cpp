#include "fixed_length_receiver.hpp"

#include "../framework/error.hpp"

#include <utility>

namespace weft {

void FixedLengthReceiver::expect(std::size_t size, Step step) {
  if (size == 0 || !step) {
    throw InvalidArgument("Expect at least one byte, and give the function that takes it.");
  }
  size_ = size;
  step_ = std::move(step);
}

std::size_t FixedLengthReceiver::take_frame(BytesView data) {
  if (!step_) throw InvalidArgument("Bytes came before anything was expected; call expect first.");
  const auto size = size_;
  if (data.size() < size) return 0;
  // Taken out, since the step may replace itself while it runs.
  auto step = std::exchange(step_, nullptr);
  step(data.first(size));
  if (!step_) step_ = std::move(step);
  return size;
}

}  // namespace weft
