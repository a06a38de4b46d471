// Small pieces of memory that a thread keeps for its next results.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace weft::detail {

/// Free lists by size, one set a thread: of sizes up to `classes` times `grain`. All comes from
/// operator new and may go back to operator delete. Everything here is inline, since the sizes are
/// known where it is called.
template <std::size_t grain, std::size_t classes>
class SpareLists {
 public:
  static void* take(std::size_t size) {
    const auto index = (size - 1) / grain;
    if (index >= classes) return ::operator new(size);
    auto& list = spare_.lists[index];
    if (list.first == nullptr) return ::operator new((index + 1) * grain);
    --list.count;
    return std::exchange(list.first, list.first->next);
  }
  static void give_back(void* memory, std::size_t size) noexcept {
    const auto index = (size - 1) / grain;
    if (index < classes && (spare_.keeping == Keeping::on || begin_keeping())) {
      auto& list = spare_.lists[index];
      if (list.count < max_spare) {
        list.first = ::new (memory) Piece{list.first};
        ++list.count;
        return;
      }
    }
    ::operator delete(memory);
  }

 private:
#if defined(__SANITIZE_ADDRESS__)
  // Memory goes back at once, so that the sanitizer sees what is used too late.
  static constexpr std::size_t max_spare = 0;
#else
  static constexpr std::size_t max_spare = 256 * 32 / grain;
#endif
  struct Piece {
    Piece* next;
  };
  struct List {
    Piece* first;
    std::size_t count;
  };
  enum class Keeping : std::uint8_t { not_yet, on, ended };
  // Trivial, so that reaching it costs nothing, and it is there for what ends after everything else
  // of the thread.
  struct Spare {
    std::array<List, classes> lists;
    Keeping keeping;
  };
  struct Sweeper;
  /// Sees to it that the lists are emptied when the thread ends; false when that has been.
  static bool begin_keeping() noexcept;

  static inline constinit thread_local Spare spare_{};
};

/// For results that are not there yet.
using SpareMemory = SpareLists<32, 8>;
/// For coroutine frames, of up to 2 KiB.
using FrameMemory = SpareLists<128, 16>;

}  // namespace weft::detail
