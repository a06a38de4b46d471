// How often this thread has asked the system to send and to receive, for tests that count.
#pragma once

namespace weft {

extern thread_local int sends;
extern thread_local int receives;

}  // namespace weft
