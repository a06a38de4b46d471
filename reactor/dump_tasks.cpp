#include "dump_tasks.hpp"

#include "../framework/coroutines/task_list.hpp"
#include "../framework/logging.hpp"
#include "signals.hpp"

#include <string>

namespace weft {

Watch dump_tasks_on_signal(Reactor& reactor, int signal, CallPlace where) {
  const auto dump = [&reactor] {
    const auto tasks = dump_tasks(reactor);
    log(LogLevel::info, "task",
        tasks.empty() ? "No task waits or runs." : "These tasks have not ended:\n" + tasks);
  };
  return on_signal(reactor, signal, dump, where);
}

}  // namespace weft
