#include "hosts_file.hpp"

#include "dns_message.hpp"
#include "lower_case.hpp"

#include <fstream>
#include <sstream>
#include <system_error>

namespace weft::detail {

std::vector<Address> HostsFile::addresses(const std::string& name) {
  refresh();
  const auto found = addresses_.find(name);
  return found != addresses_.end() ? found->second : std::vector<Address>();
}

std::vector<std::string> HostsFile::names(const Address& address) {
  refresh();
  const auto found = names_.find(address);
  return found != names_.end() ? found->second : std::vector<std::string>();
}

void HostsFile::refresh() {
  if (path_.empty()) return;
  std::error_code error;
  const auto changed = std::filesystem::last_write_time(path_, error);
  const auto size = error ? 0 : std::filesystem::file_size(path_, error);
  if (!error && changed == changed_ && size == size_) return;
  addresses_.clear();
  names_.clear();
  changed_ = error ? std::filesystem::file_time_type() : changed;
  size_ = error ? 0 : size;
  if (error) return;
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);)
    read_line(line);
}

void HostsFile::read_line(std::string_view line) {
  std::istringstream words{std::string(line.substr(0, line.find('#')))};
  std::string word;
  if (!(words >> word)) return;
  const auto address = Address::parse(word, 0);
  if (!address) return;
  while (words >> word) {
    addresses_[lower_case(word)].push_back(*address);
    names_[*address].push_back(word);
  }
}

}  // namespace weft::detail
