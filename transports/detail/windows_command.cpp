#include "windows_command.hpp"

#include "../../framework/error.hpp"
#include "utf16.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace weft::detail {

namespace {

// Those of ASCII: Windows knows of more, but asks nobody to sort by them.
constexpr char16_t upper(char16_t letter) noexcept {
  return letter >= u'a' && letter <= u'z' ? static_cast<char16_t>(letter - u'a' + u'A') : letter;
}

bool comes_before(std::u16string_view left, std::u16string_view right) noexcept {
  return std::lexicographical_compare(left.begin(), left.end(), right.begin(), right.end(),
                                      [](char16_t a, char16_t b) { return upper(a) < upper(b); });
}

bool same_name(std::u16string_view left, std::u16string_view right) noexcept {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char16_t a, char16_t b) { return upper(a) == upper(b); });
}

// What every runtime takes as it stands; some expand wildcards that are not quoted.
constexpr bool is_plain(char letter) noexcept {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
         (letter >= '0' && letter <= '9') ||
         std::string_view("_-+./\\:=,@").find(letter) != std::string_view::npos;
}

// Backslashes mean themselves but before a quote, where each must be doubled.
void append_quoted(std::string& line, std::string_view argument) {
  if (!argument.empty() && std::all_of(argument.begin(), argument.end(), is_plain)) {
    line += argument;
    return;
  }
  line += '"';
  std::size_t backslashes = 0;
  for (const char letter : argument) {
    if (letter == '"') line.append(backslashes + 1, '\\');
    backslashes = letter == '\\' ? backslashes + 1 : 0;
    line += letter;
  }
  line.append(backslashes, '\\');
  line += '"';
}

bool is_slash(char16_t letter) noexcept {
  return letter == u'/' || letter == u'\\';
}

bool is_relative(std::u16string_view path) noexcept {
  return path.empty() || (!is_slash(path.front()) && path.find(u':') == path.npos);
}

std::u16string joined(std::u16string_view folder, std::u16string_view path) {
  if (folder.empty() || !is_relative(path)) return std::u16string(path);
  std::u16string whole(folder);
  if (!is_slash(whole.back())) whole += u'\\';
  return whole += path;
}

// A folder may be quoted, and then have semicolons in its name.
std::vector<std::u16string> folders_of(std::u16string_view search) {
  std::vector<std::u16string> folders(1);
  bool quoted = false;
  for (const char16_t letter : search) {
    if (letter == u'"') {
      quoted = !quoted;
    } else if (letter == u';' && !quoted) {
      folders.emplace_back();
    } else {
      folders.back() += letter;
    }
  }
  std::erase(folders, std::u16string());
  return folders;
}

std::u16string_view file_name(std::u16string_view path) noexcept {
  const auto slash = path.find_last_of(u"/\\");
  return slash == path.npos ? path : path.substr(slash + 1);
}

}  // namespace

std::u16string windows_text(std::string_view text, std::string_view what) {
  if (text.find('\0') != std::string_view::npos) {
    throw InvalidArgument(std::string(what) +
                          " of a program has a NUL byte, which cannot be passed; take it out.");
  }
  auto converted = utf16_from(text);
  if (converted) return std::move(*converted);
  throw InvalidArgument(std::string(what) +
                        " of a program is not UTF-8, and Windows passes nothing but text; encode "
                        "it.");
}

std::u16string windows_command_line(std::string_view called,
                                    std::span<const std::string> arguments) {
  if (called.find('"') != std::string_view::npos) {
    throw InvalidArgument("The program's own name " + std::string(called) +
                          " has a quote, which no command line can carry there; take it out.");
  }
  std::string line = "\"" + std::string(called) + "\"";
  for (const auto& argument : arguments) {
    line += ' ';
    append_quoted(line, argument);
  }
  return windows_text(line, "The name or an argument");
}

std::u16string windows_environment(const std::map<std::string, std::string>& variables) {
  std::vector<std::pair<std::u16string, std::u16string>> sorted;
  sorted.reserve(variables.size());
  for (const auto& [name, value] : variables) {
    if (name.empty() || name.find('=') != std::string::npos) {
      throw InvalidArgument("\"" + name + "\" cannot be the name of an environment variable.");
    }
    sorted.emplace_back(windows_text(name, "An environment variable"),
                        windows_text(value, "An environment variable"));
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto& left, const auto& right) {
    return comes_before(left.first, right.first);
  });
  const auto twice = std::adjacent_find(
      sorted.begin(), sorted.end(),
      [](const auto& left, const auto& right) { return same_name(left.first, right.first); });
  if (twice != sorted.end()) {
    throw InvalidArgument("The environment variable " + utf8_from(twice->first) +
                          " was given twice: on Windows the case of names does not count.");
  }
  std::u16string block;
  for (const auto& [name, value] : sorted) {
    block += name + u'=' + value;
    block += u'\0';
  }
  // An empty one has two of them as well.
  if (block.empty()) block += u'\0';
  block += u'\0';
  return block;
}

std::string_view windows_variable(const std::map<std::string, std::string>& variables,
                                  std::string_view name) noexcept {
  const auto same = [name](const auto& variable) {
    return std::equal(
        variable.first.begin(), variable.first.end(), name.begin(), name.end(), [](char a, char b) {
          return upper(static_cast<unsigned char>(a)) == upper(static_cast<unsigned char>(b));
        });
  };
  const auto found = std::find_if(variables.begin(), variables.end(), same);
  return found == variables.end() ? std::string_view() : found->second;
}

std::vector<std::u16string> windows_candidates(std::u16string_view program,
                                               std::u16string_view search,
                                               std::u16string_view directory) {
  std::vector<std::u16string> names{std::u16string(program)};
  const bool has_extension = file_name(program).find(u'.') != program.npos;
  names.insert(has_extension ? names.end() : names.begin(), std::u16string(program) + u".exe");
  std::vector<std::u16string> candidates;
  if (program.find_first_of(u"/\\:") != program.npos) {
    for (const auto& name : names)
      candidates.push_back(joined(directory, name));
    return candidates;
  }
  for (const auto& folder : folders_of(search)) {
    for (const auto& name : names)
      candidates.push_back(joined(directory, joined(folder, name)));
  }
  return candidates;
}

bool is_batch_file(std::u16string_view path) noexcept {
  auto name = file_name(path);
  // Windows opens "x.bat. " and "x.bat::$DATA" as x.bat.
  while (!name.empty()) {
    const auto colon = name.rfind(u':');
    auto part = colon == name.npos ? name : name.substr(colon + 1);
    while (!part.empty() && (part.back() == u'.' || part.back() == u' '))
      part.remove_suffix(1);
    const auto ending = part.substr(part.size() - std::min<std::size_t>(part.size(), 4));
    if (same_name(ending, u".bat") || same_name(ending, u".cmd")) return true;
    name = colon == name.npos ? std::u16string_view() : name.substr(0, colon);
  }
  return false;
}

}  // namespace weft::detail
