#include "spare_memory.hpp"

namespace weft::detail {

// Gives the spare memory back when the thread ends.
template <std::size_t grain, std::size_t classes>
struct SpareLists<grain, classes>::Sweeper {
  Sweeper() noexcept { spare_.keeping = Keeping::on; }
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;
  ~Sweeper() {
    spare_.keeping = Keeping::ended;
    for (auto& list : spare_.lists) {
      while (list.first != nullptr)
        ::operator delete(std::exchange(list.first, list.first->next));
    }
  }
};

template <std::size_t grain, std::size_t classes>
bool SpareLists<grain, classes>::begin_keeping() noexcept {
  if (spare_.keeping == Keeping::not_yet) {
    static thread_local const Sweeper sweeper;
  }
  return spare_.keeping == Keeping::on;
}

template bool SpareMemory::begin_keeping() noexcept;
template bool FrameMemory::begin_keeping() noexcept;

}  // namespace weft::detail
