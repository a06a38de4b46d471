// Who a program is once it has bound its ports: giving up root for good.
#pragma once

#include "../../framework/error.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

/// Privileges cannot be given up, or not for good.
class PrivilegeError : public Error {
 public:
  using Error::Error;
};

/// A user and groups that a program started by root becomes.
class Privileges {
 public:
  /// Names, or numbers. Without a group it is the user's own; without a user only the group
  /// changes. Errors: PrivilegeError for what the system does not know, and for neither;
  /// NotSupportedOnThisPlatform.
  explicit Privileges(const std::string& user, const std::string& group = {});

  /// Becomes them: further groups, group and user, in this order and in all threads, and makes sure
  /// that there is no way back. Errors: PrivilegeError; the program must not go on then.
  void drop() const;
  /// Makes the file theirs, so that they can open it again.
  /// Errors: PrivilegeError.
  void give(const std::string& path) const;

  [[nodiscard]] std::uint32_t user() const noexcept { return user_; }
  [[nodiscard]] std::uint32_t group() const noexcept { return group_; }

 private:
  void check_dropped() const;

  std::uint32_t user_ = 0;
  std::uint32_t group_ = 0;
  std::vector<std::uint32_t> groups_;
};

}  // namespace weft
