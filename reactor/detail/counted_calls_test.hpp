// How often this thread has asked the system for what costs each message or connection, for tests
// that count.
#pragma once

namespace weft {

extern thread_local int sends;
extern thread_local int receives;
extern thread_local int accepts;
/// Looks at what is unread or unsent, and ends of one direction.
extern thread_local int looks;
extern thread_local int shutdowns;
/// Changes of an epoll set.
extern thread_local int poller_changes;

}  // namespace weft
