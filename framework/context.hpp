// Data that belongs to one request or one connection, and flows by itself to whatever is done for
// it.
#pragma once

#include "detail/held_context.hpp"
#include "error.hpp"
#include "unique_function.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

class Reactor;

/// A variable was read that has neither a value in the current context nor a default.
class ContextVarUnset : public Error {
 public:
  using Error::Error;
};

/// How a variable's value goes to a worker process and comes out there.
template <class T>
struct Transferable {
  std::function<std::string(const T&)> to_bytes;
  std::function<T(std::string_view)> from_bytes;
};

/// What a ContextVar may be besides a name and a type.
template <class T>
struct ContextVarOptions {
  /// Shows a value in the log; empty: it is not shown. `to_text` is one for strings and numbers.
  std::function<std::string(const T&)> text = nullptr;
  /// Nothing: it stays in this process.
  std::optional<Transferable<T>> transferable = std::nullopt;
};

/// A string or a number as the log shows it.
template <class T>
requires(std::is_arithmetic_v<T> || std::is_convertible_v<const T&, std::string_view>)
    [[nodiscard]] std::string to_text(const T& value) {
  if constexpr (std::is_arithmetic_v<T>) {
    return std::to_string(value);
  } else {
    return std::string(std::string_view(value));
  }
}

namespace detail {

/// A variable, whatever its type.
struct ContextVariable {
  std::string name;
  std::function<std::string(const void*)> text;
  std::function<std::string(const void*)> to_bytes;
  std::function<std::shared_ptr<const void>(std::string_view)> from_bytes;
};

/// Makes a variable known to `Context::from_transferable` while it lives. Errors: InvalidArgument
/// for an empty name, or where one of that name is known.
std::shared_ptr<const ContextVariable> declare_variable(ContextVariable variable);
/// The variable's value in the current context, or null.
[[nodiscard]] const void* find_in_context(const ContextVariable& variable) noexcept;
void set_in_context(std::shared_ptr<const ContextVariable> variable,
                    std::shared_ptr<const void> value);
[[noreturn]] void refuse_unset(const ContextVariable& variable);

}  // namespace detail

/// Gives a variable back the value it had, when it ends: what `ContextVar::scoped` gives. Where
/// that context is not current any more, it leaves alone the one that is.
class [[nodiscard]] ContextScope {
 public:
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;
  ~ContextScope();

 private:
  template <class T>
  friend class ContextVar;
  ContextScope(std::shared_ptr<const detail::ContextVariable> variable,
               std::shared_ptr<const void> value);

  std::shared_ptr<const detail::ContextVariable> variable_;
  detail::HeldContext before_;
  detail::HeldContext made_;
};

/// A variable with a value for each context: declare it once, as a constant that lives as long as
/// the program. Thread: any; each sees the value of the context that its code runs in.
template <class T>
class ContextVar {
 public:
  /// Errors: InvalidArgument for an empty name, and for a second transferable variable of a name.
  explicit ContextVar(std::string name, ContextVarOptions<T> options = {})
      : variable_(declare(std::move(name), std::move(options))) {}
  ContextVar(std::string name, T default_value, ContextVarOptions<T> options = {})
      : variable_(declare(std::move(name), std::move(options))),
        default_(std::move(default_value)) {}
  ContextVar(const ContextVar&) = delete;
  ContextVar& operator=(const ContextVar&) = delete;

  /// The value in the current context, or the default. Errors: ContextVarUnset where there is
  /// neither.
  [[nodiscard]] T get() const {
    if (const auto* value = detail::find_in_context(*variable_))
      return *static_cast<const T*>(value);
    if (!default_) detail::refuse_unset(*variable_);
    return *default_;
  }
  /// Whether it was set in the current context.
  [[nodiscard]] bool has_value() const noexcept {
    return detail::find_in_context(*variable_) != nullptr;
  }
  [[nodiscard]] const std::string& name() const noexcept { return variable_->name; }

  /// Sets it for the rest of this callback and for what is registered from now on; in a callback of
  /// a connection, for all later callbacks of that connection too. What was registered before keeps
  /// the old value.
  void set(T value) const {
    detail::set_in_context(variable_, std::make_shared<const T>(std::move(value)));
  }
  /// The same until the guard that it gives ends.
  ContextScope scoped(T value) const {
    return ContextScope(variable_, std::make_shared<const T>(std::move(value)));
  }

 private:
  static std::shared_ptr<const detail::ContextVariable> declare(std::string name,
                                                                ContextVarOptions<T> options) {
    detail::ContextVariable variable;
    variable.name = std::move(name);
    if (options.text) {
      variable.text = [text = std::move(options.text)](const void* value) {
        return text(*static_cast<const T*>(value));
      };
    }
    if (options.transferable) {
      variable.to_bytes = [to = std::move(options.transferable->to_bytes)](const void* value) {
        return to(*static_cast<const T*>(value));
      };
      variable.from_bytes = [from = std::move(options.transferable->from_bytes)](
                                std::string_view bytes) -> std::shared_ptr<const void> {
        return std::make_shared<const T>(from(bytes));
      };
    }
    return detail::declare_variable(std::move(variable));
  }

  std::shared_ptr<const detail::ContextVariable> variable_;
  std::optional<T> default_;
};

/// While it lives, what is registered in this code captures nothing: what `Context::suppress`
/// gives.
class [[nodiscard]] SuppressFlow {
 public:
  SuppressFlow(const SuppressFlow&) = delete;
  SuppressFlow& operator=(const SuppressFlow&) = delete;
  ~SuppressFlow();

 private:
  friend class Context;
  SuppressFlow() noexcept;
  bool was_suppressed_;
};

/// The values of all variables, as they were when it was taken: immutable, and copied at the cost
/// of a count. Every callback runs in the context in which it was registered; every connection has
/// one of its own, derived from that of its `listen` or `connect`. Thread: any.
class Context {
 public:
  /// The empty one, in which nothing is set.
  Context() noexcept = default;
  Context(const Context& other) noexcept : held_(other.held_.share()) {}
  Context(Context&&) noexcept = default;
  Context& operator=(const Context& other) noexcept {
    held_ = other.held_.share();
    return *this;
  }
  Context& operator=(Context&&) noexcept = default;

  /// The one that this code runs in.
  [[nodiscard]] static Context current() noexcept {
    return Context(detail::HeldContext::current());
  }
  /// Until the guard ends, what is registered captures nothing, and runs in the empty context. What
  /// is set can still be read.
  static SuppressFlow suppress() noexcept { return {}; }

  /// Calls `callback` in a copy of this, and gives what it gives. What it sets ends with it, save
  /// for what it registered.
  template <class F>
  decltype(auto) run(F&& callback) const {
    auto copy = held_.share();
    const detail::ContextSwitch inside(copy);
    return std::forward<F>(callback)();
  }

  /// Has `callback` called once, in this context, when the last that holds it lets go: handles,
  /// what was registered in it, connections, and the contexts derived from it by setting more. It
  /// is called in the thread that lets go, in the middle of whatever that does: it may not block,
  /// and what it throws is logged. On the empty context, where that is current too, it begins a
  /// context as setting a variable would. Errors: InvalidArgument for an empty callback, and for
  /// the empty context where another is current, since the empty one never ends.
  void on_exit(Callback callback) const;
  /// The same, called by `reactor` in its own thread. Lifetime: the reactor must outlive the
  /// context.
  void on_exit(Reactor& reactor, Callback callback) const;

  /// The names and values of what is set and declared transferable, for another process.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> transferable() const;
  /// A context of what `transferable` gave; names that nobody declared transferable here are left
  /// out. Errors: what a variable's `from_bytes` throws.
  [[nodiscard]] static Context from_transferable(
      const std::vector<std::pair<std::string, std::string>>& values);

  /// What is set and declared with a text, as `name=value name=value`, in the order in which it was
  /// first set.
  [[nodiscard]] std::string text() const;

  /// Whether nothing is set.
  [[nodiscard]] bool empty() const noexcept { return held_.empty(); }
  [[nodiscard]] friend bool operator==(const Context& a, const Context& b) noexcept {
    return a.held_.node() == b.held_.node();
  }

 private:
  explicit Context(detail::HeldContext held) noexcept : held_(std::move(held)) {}
  detail::HeldContext held_;
};

}  // namespace weft
