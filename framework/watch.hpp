// A descriptor of the application's that the reactor watches.
#pragma once

#include <cstdint>
#include <memory>

namespace weft {

/// A descriptor on POSIX, a SOCKET on Windows.
using Descriptor = std::intptr_t;

/// What a descriptor is watched for.
enum class Interest : std::uint8_t { readable, writable };

/// Keeps a descriptor watched; destroying or cancelling it ends that, after which the callback is
/// not called again.
class Watch {
 public:
  /// What a reactor implements.
  class Watcher {
   public:
    virtual ~Watcher();
    virtual void cancel() noexcept = 0;
    [[nodiscard]] virtual bool active() const noexcept = 0;
  };

  Watch() noexcept;
  explicit Watch(std::shared_ptr<Watcher> watcher) noexcept;
  Watch(Watch&&) noexcept;
  Watch& operator=(Watch&& other) noexcept;
  ~Watch();

  void cancel() noexcept;
  [[nodiscard]] bool active() const noexcept;

 private:
  std::shared_ptr<Watcher> watcher_;
};

}  // namespace weft
