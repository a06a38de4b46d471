// Has memory fetched that is needed soon, and is likely to be in no cache.
#pragma once

namespace weft::detail {

/// Begins to fetch so many lines of the cache from `object` on; what lies there may be anything.
inline void prefetch([[maybe_unused]] const void* object, [[maybe_unused]] int lines) noexcept {
#ifdef __GNUC__
  constexpr int line = 64;
  const auto* const memory = static_cast<const char*>(object);
  for (int i = 0; i < lines; ++i)
    __builtin_prefetch(memory + i * line);
#endif
}

}  // namespace weft::detail
