#include "privileges.hpp"

#ifdef __linux__

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <grp.h>
#include <optional>
#include <pwd.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace weft {

namespace {

constexpr std::size_t max_entry_bytes = 1 << 20;
constexpr std::size_t max_groups = 1 << 16;

std::optional<std::uint32_t> id_in(const std::string& text) {
  std::uint32_t number = 0;
  const auto* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  // All ones mean "unchanged" to the system.
  const bool good = error == std::errc() && rest == end && number != ~std::uint32_t{0};
  return good ? std::optional(number) : std::nullopt;
}

[[noreturn]] void refuse(const std::string& what) {
  const std::error_code error(errno, std::system_category());
  throw PrivilegeError(what + ": " + error.message() +
                           "; start the program as root, or leave --user and --group out.",
                       {}, error);
}

/// Calls one of getpwnam_r and its like with as much room as it needs; false when there is none.
template <class Entry, class Find>
bool look_up(Entry& entry, std::vector<char>& room, const Find& find) {
  for (room.resize(4096); room.size() <= max_entry_bytes; room.resize(room.size() * 4)) {
    Entry* found = nullptr;
    const int error = find(&entry, room.data(), room.size(), &found);
    if (error != ERANGE) return error == 0 && found != nullptr;
  }
  return false;
}

struct User {
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::vector<std::uint32_t> groups;
};

std::uint32_t group_named(const std::string& name) {
  if (const auto number = id_in(name)) return *number;
  struct group entry {};
  std::vector<char> room;
  const auto find = [&](struct group* to, char* text, std::size_t size, struct group** found) {
    return ::getgrnam_r(name.c_str(), to, text, size, found);
  };
  if (look_up(entry, room, find)) return entry.gr_gid;
  throw PrivilegeError("There is no group \"" + name + "\" here; create it, or name another one.");
}

std::vector<std::uint32_t> groups_of(const char* user, std::uint32_t group) {
  std::vector<::gid_t> groups(64);
  for (;;) {
    int count = static_cast<int>(groups.size());
    if (::getgrouplist(user, group, groups.data(), &count) >= 0) {
      groups.resize(static_cast<std::size_t>(count));
      return {groups.begin(), groups.end()};
    }
    groups.resize(groups.size() * 2);
    if (groups.size() > max_groups) return {group};
  }
}

/// `group`, if any, takes the place of the user's own.
User user_named(const std::string& name, std::optional<std::uint32_t> group) {
  const auto number = id_in(name);
  struct passwd entry {};
  std::vector<char> room;
  const auto find = [&](struct passwd* to, char* text, std::size_t size, struct passwd** found) {
    return number ? ::getpwuid_r(*number, to, text, size, found)
                  : ::getpwnam_r(name.c_str(), to, text, size, found);
  };
  if (look_up(entry, room, find)) {
    const auto own = group.value_or(entry.pw_gid);
    return {entry.pw_uid, own, groups_of(entry.pw_name, own)};
  }
  if (!number) {
    throw PrivilegeError("There is no user \"" + name + "\" here; create it, or name another one.");
  }
  if (!group) {
    throw PrivilegeError("User " + name + " has no entry here that tells its group; name one.");
  }
  return {*number, *group, {*group}};
}

}  // namespace

Privileges::Privileges(const std::string& user, const std::string& group) {
  if (user.empty() && group.empty())
    throw PrivilegeError("Neither a user nor a group was named to become; name one of them.");
  const auto chosen = group.empty() ? std::nullopt : std::optional(group_named(group));
  auto found = user.empty() ? User{::getuid(), *chosen, {*chosen}} : user_named(user, chosen);
  user_ = found.user;
  group_ = found.group;
  groups_ = std::move(found.groups);
}

void Privileges::drop() const {
  const bool nothing_to_do = ::geteuid() != 0 && ::getuid() == user_ && ::getgid() == group_;
  if (!nothing_to_do) {
    const std::vector<::gid_t> groups(groups_.begin(), groups_.end());
    if (::setgroups(groups.size(), groups.data()) != 0)
      refuse("The further groups could not be given up");
    if (::setresgid(group_, group_, group_) != 0)
      refuse("This program could not become group " + std::to_string(group_));
    if (::setresuid(user_, user_, user_) != 0)
      refuse("This program could not become user " + std::to_string(user_));
  }
  check_dropped();
}

void Privileges::check_dropped() const {
  ::uid_t users[3];
  ::gid_t groups[3];
  bool gone = ::getresuid(&users[0], &users[1], &users[2]) == 0 &&
              ::getresgid(&groups[0], &groups[1], &groups[2]) == 0;
  gone = gone && std::all_of(users, users + 3, [this](auto user) { return user == user_; });
  gone = gone && std::all_of(groups, groups + 3, [this](auto group) { return group == group_; });
  // The way back, were there one.
  if (gone && user_ != 0) gone = ::setuid(0) != 0 && ::seteuid(0) != 0;
  if (gone && user_ != 0 && group_ != 0) gone = ::setgid(0) != 0 && ::setegid(0) != 0;
  if (!gone) {
    throw PrivilegeError(
        "Root's privileges could be had again after they were dropped; do not run this program "
        "with capabilities that outlive a change of user.");
  }
}

void Privileges::give(const std::string& path) const {
  if (::geteuid() != 0) return;
  if (::lchown(path.c_str(), user_, group_) != 0) refuse("The file " + path + " cannot be given");
}

}  // namespace weft

#else

namespace weft {

Privileges::Privileges(const std::string&, const std::string&) {
  throw NotSupportedOnThisPlatform("A program cannot become another user here; leave it out.");
}

void Privileges::drop() const {}
void Privileges::check_dropped() const {}
void Privileges::give(const std::string&) const {}

}  // namespace weft

#endif
