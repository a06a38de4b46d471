// Memory in which TLS works for a moment, so that idle connections need none.
#pragma once

#include <cstddef>
#include <memory>

namespace weft::detail {

/// A buffer that each thread keeps a few of. Several may be out at once: TLS in TLS nests.
class TlsScratch {
 public:
  /// Four full records with what TLS adds to them.
  static constexpr std::size_t size = 72 * 1024;

  TlsScratch() : memory_(take()) {}
  ~TlsScratch() { give_back(std::move(memory_)); }
  TlsScratch(const TlsScratch&) = delete;
  TlsScratch& operator=(const TlsScratch&) = delete;
  [[nodiscard]] char* data() noexcept { return memory_.get(); }

  /// By hand, for who must keep it between calls.
  [[nodiscard]] static std::unique_ptr<char[]> take();
  static void give_back(std::unique_ptr<char[]> memory) noexcept;

 private:
  std::unique_ptr<char[]> memory_;
};

}  // namespace weft::detail
