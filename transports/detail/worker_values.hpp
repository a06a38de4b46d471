// Values as bytes, on their way to a worker process and back. The only file that names cereal.
#pragma once

#include "../../framework/error.hpp"

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#if __has_include(<cereal/cereal.hpp>)

#include <cereal/cereal.hpp>
#include <cereal/types/array.hpp>
#include <cereal/types/chrono.hpp>
#include <cereal/types/deque.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/set.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/tuple.hpp>
#include <cereal/types/unordered_map.hpp>
#include <cereal/types/unordered_set.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>

namespace weft::detail {

/// Both ends are one executable, so numbers go as this machine has them.
class ValueWriter : public cereal::OutputArchive<ValueWriter, cereal::AllowEmptyClassElision> {
 public:
  ValueWriter() : OutputArchive(this) {}
  void put(const void* data, std::size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
  }
  [[nodiscard]] std::string take() noexcept { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Errors: cereal::Exception where there is less than is asked for.
class ValueReader : public cereal::InputArchive<ValueReader, cereal::AllowEmptyClassElision> {
 public:
  explicit ValueReader(std::string_view bytes) : InputArchive(this), left_(bytes) {}
  void get(void* data, std::size_t size) {
    check(size);
    std::memcpy(data, left_.data(), size);
    left_.remove_prefix(size);
  }
  /// Whoever announces `elements` must have sent a byte for each: nobody makes us reserve memory
  /// that he has not sent.
  void check(std::size_t elements) const {
    if (elements > left_.size()) throw cereal::Exception("it ends too early");
  }
  [[nodiscard]] bool at_end() const noexcept { return left_.empty(); }

 private:
  std::string_view left_;
};

// What cereal calls; the names are its own.
template <class T>
requires std::is_arithmetic_v<T>
void save(ValueWriter& writer, const T& value) {
  writer.put(&value, sizeof value);
}
template <class T>
requires std::is_arithmetic_v<T>
void load(ValueReader& reader, T& value) {
  reader.get(&value, sizeof value);
}
template <class Archive, class T>
requires(std::is_same_v<Archive, ValueWriter> ||
         std::is_same_v<Archive, ValueReader>) void serialize(Archive& archive,
                                                              cereal::NameValuePair<T>& named) {
  archive(named.value);
}
template <class T>
void save(ValueWriter& writer, const cereal::SizeTag<T>& tag) {
  writer(static_cast<cereal::size_type>(tag.size));
}
template <class T>
void load(ValueReader& reader, cereal::SizeTag<T>& tag) {
  cereal::size_type size = 0;
  reader(size);
  reader.check(static_cast<std::size_t>(size));
  tag.size = static_cast<std::remove_reference_t<decltype(tag.size)>>(size);
}
template <class T>
void save(ValueWriter& writer, const cereal::BinaryData<T>& data) {
  writer.put(data.data, static_cast<std::size_t>(data.size));
}
template <class T>
void load(ValueReader& reader, cereal::BinaryData<T>& data) {
  reader.get(data.data, static_cast<std::size_t>(data.size));
}

template <class T>
[[nodiscard]] std::string pack(const T& value) {
  ValueWriter writer;
  writer(value);
  return writer.take();
}

/// Errors: ProtocolError when the bytes are no T.
template <class T>
[[nodiscard]] T unpack(std::string_view bytes) {
  T value{};
  ValueReader reader(bytes);
  try {
    reader(value);
  } catch (const cereal::Exception& error) {
    throw ProtocolError(std::string("What came is not of the type that was agreed on: ") +
                        error.what() + "; both ends must be the same build.");
  }
  if (!reader.at_end()) {
    throw ProtocolError(
        "More came than the type that was agreed on has; both ends must be the same build.");
  }
  return value;
}

}  // namespace weft::detail

CEREAL_SETUP_ARCHIVE_TRAITS(weft::detail::ValueReader, weft::detail::ValueWriter)

#else

namespace weft::detail {

template <class T>
[[nodiscard]] std::string pack(const T&) {
  static_assert(sizeof(T) == 0, "worker functions need the headers of cereal (libcereal-dev)");
  return {};
}
template <class T>
[[nodiscard]] T unpack(std::string_view) {
  static_assert(sizeof(T) == 0, "worker functions need the headers of cereal (libcereal-dev)");
}

}  // namespace weft::detail

#endif
