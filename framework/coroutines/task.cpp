#include "task.hpp"

namespace weft::detail {

Task<void> TaskPromise<void>::get_return_object(SourceLocation made) noexcept {
  is_of(std::coroutine_handle<TaskPromise>::from_promise(*this), made);
  return Task<void>(*this);
}

}  // namespace weft::detail
