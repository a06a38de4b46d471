#include "spare_memory.hpp"

namespace weft::detail {

// Gives the spare memory back when the thread ends.
struct SpareMemory::Sweeper {
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

bool SpareMemory::begin_keeping() noexcept {
  if (spare_.keeping == Keeping::not_yet) {
    static thread_local const Sweeper sweeper;
  }
  return spare_.keeping == Keeping::on;
}

}  // namespace weft::detail
