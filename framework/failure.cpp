#include "failure.hpp"

#include "detail/names.hpp"
#include "error.hpp"

#include <memory>
#include <new>
#include <typeinfo>

namespace weft {

namespace {

// What was thrown and is no std::exception: an int, say.
class UnknownException final : public Error {
 public:
  UnknownException()
      : Error("Something was thrown that is no std::exception; throw types that derive from it.") {}
};

}  // namespace

Failure::Held::~Held() = default;

struct Failure::HeldThrown final : Held {
  HeldThrown(std::exception_ptr exception, const std::exception* object,
             SourceLocation made) noexcept
      : Held(made), thrown(std::move(exception)), seen(object) {}
  [[nodiscard]] const std::exception& error() const noexcept override { return *seen; }
  [[nodiscard]] std::exception_ptr pointer() const noexcept override { return thrown; }

  // Keeps the exception object alive, so that `seen` may point into it.
  std::exception_ptr thrown;
  const std::exception* seen;
};

Failure::Failure(const std::exception_ptr& thrown, SourceLocation where) noexcept
    : Failure([&]() noexcept {
        static const Failure out_of_memory{std::bad_alloc()};
        try {
          if (thrown == nullptr) return Failure(UnknownException(), where);
          try {
            std::rethrow_exception(thrown);
          } catch (const std::exception& error) {
            return Failure(new HeldThrown(thrown, &error, where));
          } catch (...) {
            return Failure(UnknownException(), where);
          }
        } catch (...) {
          return out_of_memory;
        }
      }()) {}

void Failure::let_go() noexcept {
  if (held_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete held_;
}

Failure Failure::current(SourceLocation where) noexcept {
  return Failure(std::current_exception(), where);
}

const std::exception& Failure::error() const noexcept {
  return held_->error();
}

void Failure::raise() const {
  std::rethrow_exception(held_->pointer());
}

std::exception_ptr Failure::exception() const noexcept {
  return held_->pointer();
}

std::string Failure::message() const {
  return error().what();
}

std::string Failure::type_name() const {
  const std::exception& held = error();
  return detail::type_text(typeid(held).name());
}

SourceLocation Failure::where() const noexcept {
  return held_->where;
}

void detail::refuse_no_failure() {
  throw InvalidArgument("This outcome succeeded, so it has no failure; ask succeeded() first.");
}

Failure detail::moved_from_failure() noexcept {
  try {
    return Failure(InvalidArgument("A failure was passed on after it had been moved from."));
  } catch (...) {
    return Failure::current();
  }
}

}  // namespace weft
