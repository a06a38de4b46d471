// The names that the administrator of this machine gave to addresses.
#pragma once

#include "../../framework/address.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft::detail {

/// Read when first asked, and again when it has changed. One that cannot be read is empty.
class HostsFile {
 public:
  /// An empty path is no file.
  explicit HostsFile(std::string path) : path_(std::move(path)) {}

  /// The addresses of a name in lower case, with port zero, in the order of the file.
  [[nodiscard]] std::vector<Address> addresses(const std::string& name);
  /// The names of an address with port zero, its first name first.
  [[nodiscard]] std::vector<std::string> names(const Address& address);

 private:
  void refresh();
  void read_line(std::string_view line);

  std::string path_;
  std::filesystem::file_time_type changed_{};
  std::uintmax_t size_ = 0;
  std::unordered_map<std::string, std::vector<Address>> addresses_;
  std::unordered_map<Address, std::vector<std::string>> names_;
};

}  // namespace weft::detail
