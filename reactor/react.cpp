#include "react.hpp"

#include "../framework/error.hpp"
#include "../framework/logging.hpp"
#include "make_reactor.hpp"

#include <exception>
#include <memory>
#include <optional>

namespace weft {

namespace {

// The outcome of the program's main function, and the way to stop waiting for it.
struct Program {
  std::optional<Outcome<int>> outcome;
  Canceller canceller;
};

void begin(Reactor& reactor, UniqueFunction<Deferred<int>(Reactor&)>& main,
           const std::shared_ptr<Program>& program) {
  auto done = maybe_deferred([&] {
                return main(reactor);
              }).add_both([&reactor, program](Outcome<int> outcome) {
    program->outcome = std::move(outcome);
    // It may have been cancelled by the stop that it now would ask for.
    reactor.stop_from_thread();
  });
  program->canceller = done.canceller();
}

}  // namespace

int react(UniqueFunction<Deferred<int>(Reactor&)> main, std::string_view reactor_name) {
  const auto reactor = make_reactor(reactor_name);
  const auto program = std::make_shared<Program>();
  reactor->call_when_running([&] { begin(*reactor, main, program); });
  reactor->add_system_event_trigger(Phase::before, SystemEvent::shutdown,
                                    [program] { program->canceller.cancel(); });
  reactor->run();
  if (!program->outcome) return 1;
  if (*program->outcome) return program->outcome->value();
  const auto& failure = program->outcome->failure();
  if (failure.check<CancelledError>() == nullptr)
    log_failure("react", "The program failed", failure);
  return 1;
}

}  // namespace weft
