// The name of a UNIX socket: a file with a lock beside it, or an abstract name.
#pragma once

#include "../../framework/address.hpp"
#include "owned_descriptor.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace weft::detail {

/// Has a name from `bind` until it is released: the file and the lock beside it are removed then.
class UnixBinding {
 public:
  UnixBinding() noexcept = default;
  UnixBinding(const UnixBinding&) = delete;
  UnixBinding& operator=(const UnixBinding&) = delete;
  ~UnixBinding() { release(); }

  /// Gives `socket` the name `path`, abstract when it begins with NUL, and its file `mode`. What a
  /// dead program left there is replaced. Errors: AddressInUse, ListenError, InvalidArgument for a
  /// path that cannot be.
  void bind(int socket, std::string path, std::optional<std::uint32_t> mode);
  /// Throws what fits `code`, which the system gave for this name.
  [[noreturn]] void refuse(int code, const std::string& advice) const;
  void release() noexcept;
  [[nodiscard]] Address address() const { return Address::unix_socket(path_); }

 private:
  [[nodiscard]] bool abstract() const noexcept { return path_.front() == '\0'; }
  void lock();
  void remove_stale(int kind_of_socket) const;

  std::string path_;
  OwnedDescriptor lock_;
  bool bound_ = false;
};

}  // namespace weft::detail
