// A callable that is kept and called later: like std::function, but it may hold move-only things.
#pragma once

#include <cstddef>
#include <functional>
#include <new>
#include <type_traits>
#include <utility>

namespace weft {

template <class Signature>
class UniqueFunction;

/// Move-only owner of a callable. Callables of up to six pointers are stored inside and cost no
/// allocation. Errors: calling an empty one throws std::bad_function_call.
template <class R, class... Args>
class UniqueFunction<R(Args...)> {
 public:
  // Not defaulted: the storage of an empty one is not cleared.
  UniqueFunction() noexcept {}
  UniqueFunction(std::nullptr_t) noexcept {}

  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, UniqueFunction> &&
           std::is_invocable_r_v<R, std::decay_t<F>&, Args...>) UniqueFunction(F&& callable) {
    using Stored = std::decay_t<F>;
    if constexpr (fits_inside<Stored>) {
      ::new (storage()) Stored(std::forward<F>(callable));
      operations_ = &inside<Stored>;
    } else {
      ::new (storage()) Stored*(new Stored(std::forward<F>(callable)));
      operations_ = &outside<Stored>;
    }
  }

  UniqueFunction(UniqueFunction&& other) noexcept { take(other); }
  UniqueFunction& operator=(UniqueFunction&& other) noexcept {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  UniqueFunction(const UniqueFunction&) = delete;
  UniqueFunction& operator=(const UniqueFunction&) = delete;
  ~UniqueFunction() { reset(); }

  R operator()(Args... args) {
    if (operations_ == nullptr) throw std::bad_function_call();
    return operations_->call(storage(), std::forward<Args>(args)...);
  }

  [[nodiscard]] explicit operator bool() const noexcept { return operations_ != nullptr; }

 private:
  struct Operations {
    R (*call)(void* storage, Args&&... args);
    void (*relocate)(void* from, void* to) noexcept;
    void (*destroy)(void* storage) noexcept;
  };

  static constexpr std::size_t room = 6 * sizeof(void*);
  template <class F>
  static constexpr bool fits_inside =
      sizeof(F) <= room && alignof(F) <= alignof(void*) && std::is_nothrow_move_constructible_v<F>;

  template <class F>
  static constexpr Operations inside{
      [](void* storage, Args&&... args) -> R {
        return std::invoke(*static_cast<F*>(storage), std::forward<Args>(args)...);
      },
      [](void* from, void* to) noexcept {
        ::new (to) F(std::move(*static_cast<F*>(from)));
        static_cast<F*>(from)->~F();
      },
      [](void* storage) noexcept { static_cast<F*>(storage)->~F(); }};

  template <class F>
  static constexpr Operations outside{
      [](void* storage, Args&&... args) -> R {
        return std::invoke(**static_cast<F**>(storage), std::forward<Args>(args)...);
      },
      [](void* from, void* to) noexcept { ::new (to) F*(*static_cast<F**>(from)); },
      [](void* storage) noexcept { delete *static_cast<F**>(storage); }};

  void* storage() noexcept { return storage_; }
  void reset() noexcept {
    if (operations_ != nullptr) std::exchange(operations_, nullptr)->destroy(storage());
  }
  void take(UniqueFunction& other) noexcept {
    if (other.operations_ == nullptr) return;
    operations_ = std::exchange(other.operations_, nullptr);
    operations_->relocate(other.storage(), storage());
  }

  const Operations* operations_ = nullptr;
  alignas(void*) std::byte storage_[room];
};

/// What timers, triggers and thread calls run.
using Callback = UniqueFunction<void()>;

}  // namespace weft
