// Ends connections on which nothing happens.
#pragma once

#include "../framework/clock.hpp"
#include "../framework/factory.hpp"

#include <memory>

namespace weft {

/// A factory whose connections are aborted, with IdleTimeout as the reason, when no byte has come
/// and none was written for `limit`. Errors: InvalidArgument when `limit` is not positive.
[[nodiscard]] std::shared_ptr<Factory> idle_timeout(std::shared_ptr<Factory> factory,
                                                    Duration limit);

}  // namespace weft
