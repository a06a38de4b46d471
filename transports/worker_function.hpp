// Functions that worker processes run, known by name in both.
#pragma once

#include "../framework/unique_function.hpp"
#include "detail/worker_values.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft {

/// The name of a function that workers know, with its type: what `register_worker_function` gives
/// and `ProcessPool::call` takes.
template <class Signature>
class WorkerFunction;

template <class R, class... Args>
class WorkerFunction<R(Args...)> {
 public:
  explicit WorkerFunction(std::string name) : name_(std::move(name)) {}
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  std::string name_;
};

namespace detail {

/// Arguments in, result out, both as bytes.
using PackedFunction = UniqueFunction<std::string(std::string_view)>;

/// Errors: InvalidArgument when the name is taken or empty.
void register_packed(std::string name, PackedFunction function);

template <class F>
struct SignatureOf;
template <class R, class... Args>
struct SignatureOf<std::function<R(Args...)>> {
  using Handle = WorkerFunction<std::decay_t<R>(std::decay_t<Args>...)>;

  template <class F>
  static Handle announce(std::string name, F f) {
    static_assert(((!std::is_lvalue_reference_v<Args> ||
                    std::is_const_v<std::remove_reference_t<Args>>)&&...),
                  "a worker changes its own copy of an argument: take it by value or const&");
    register_packed(name, [f = std::move(f)](std::string_view packed) mutable -> std::string {
      auto arguments = unpack<std::tuple<std::decay_t<Args>...>>(packed);
      if constexpr (std::is_void_v<R>) {
        std::apply(f, std::move(arguments));
        return {};
      } else {
        return pack<std::decay_t<R>>(std::apply(f, std::move(arguments)));
      }
    });
    return Handle(std::move(name));
  }
};

}  // namespace detail

/// Makes `f` known to this program and its workers, at namespace scope or in `main` before
/// `run_worker`. Arguments and result are numbers, enumerations, strings, standard containers,
/// pairs, tuples, optionals, variants, durations and whatever has a member
/// `template <class A> void serialize(A& archive) { archive(x, y); }`; each can be made without
/// arguments. Errors: InvalidArgument when another function has that name, or it is empty.
template <class F>
[[nodiscard]] auto register_worker_function(std::string name, F f) {
  return detail::SignatureOf<decltype(std::function(std::declval<F>()))>::announce(std::move(name),
                                                                                   std::move(f));
}

/// The first line of `main` in a program that has a ProcessPool:
/// `if (const auto status = weft::run_worker(argc, argv)) return *status;`. In a worker it runs
/// what it is asked for until the pool, or its process, is gone, and gives what to exit with;
/// elsewhere it gives nothing at once.
[[nodiscard]] std::optional<int> run_worker(int argc, char** argv);

}  // namespace weft
