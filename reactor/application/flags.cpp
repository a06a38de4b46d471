#include "flags.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

namespace weft {

namespace {

// A value longer than that is no time that anybody means.
constexpr double max_seconds = 1e9;

[[noreturn]] void refuse_time(std::string_view name, std::string_view text) {
  throw FlagError(
      "--" + std::string(name) + " is \"" + std::string(text) +
      "\", which is no time; write seconds, or a number with ms, s, min or h behind it.");
}

}  // namespace

Flags& Flags::add(std::string name, std::string placeholder, std::string help,
                  std::string default_value) {
  if (placeholder.empty()) throw InvalidArgument("A flag's value needs a word for the help.");
  add_one({std::move(name), std::move(placeholder), std::move(help), default_value,
           std::move(default_value), false});
  return *this;
}

Flags& Flags::add_switch(std::string name, std::string help) {
  add_one({std::move(name), {}, std::move(help), {}, {}, false});
  return *this;
}

void Flags::add_one(Flag flag) {
  if (flag.name.empty() || flag.name.front() == '-' ||
      flag.name.find_first_of("= ") != std::string::npos) {
    throw InvalidArgument("\"" + flag.name + "\" is no name for a flag; leave dashes out.");
  }
  if (find(flag.name) != nullptr)
    throw InvalidArgument("There is a flag --" + flag.name + " already; choose another name.");
  flags_.push_back(std::move(flag));
}

Flags::Flag* Flags::find(std::string_view name) noexcept {
  const auto found = std::find_if(flags_.begin(), flags_.end(),
                                  [name](const Flag& flag) { return flag.name == name; });
  return found != flags_.end() ? &*found : nullptr;
}

const Flags::Flag& Flags::known(std::string_view name) const {
  const auto found = std::find_if(flags_.begin(), flags_.end(),
                                  [name](const Flag& flag) { return flag.name == name; });
  if (found != flags_.end()) return *found;
  throw InvalidArgument("There is no flag --" + std::string(name) + "; add it before it is read.");
}

void Flags::parse(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (!word.starts_with("--") || word.size() == 2) {
      throw FlagError("\"" + std::string(word) + "\" is no flag, and nothing else is taken here.");
    }
    const auto equals = word.find('=');
    const auto name = word.substr(2, equals == std::string_view::npos ? equals : equals - 2);
    Flag* const flag = find(name);
    if (flag == nullptr)
      throw FlagError("There is no flag --" + std::string(name) +
                      "; --help lists those there are.");
    flag->given = true;
    if (flag->placeholder.empty()) {
      if (equals != std::string_view::npos)
        throw FlagError("--" + flag->name + " takes no value; leave it out.");
    } else if (equals != std::string_view::npos) {
      flag->value = word.substr(equals + 1);
    } else if (i + 1 < argc) {
      flag->value = argv[++i];
    } else {
      throw FlagError("--" + flag->name + " needs a value: --" + flag->name + "=" +
                      flag->placeholder + ".");
    }
  }
}

bool Flags::given(std::string_view name) const {
  return known(name).given;
}

const std::string& Flags::value(std::string_view name) const {
  return known(name).value;
}

Duration Flags::duration(std::string_view name) const {
  const std::string_view text = value(name);
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) refuse_time(name, text);
  const std::string_view unit(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
  if (unit == "ms") {
    number /= 1000;
  } else if (unit == "min") {
    number *= 60;
  } else if (unit == "h") {
    number *= 3600;
  } else if (!unit.empty() && unit != "s") {
    refuse_time(name, text);
  }
  if (!(number >= 0) || number > max_seconds) refuse_time(name, text);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(number));
}

std::string Flags::help() const {
  std::vector<std::string> left;
  std::size_t width = 0;
  for (const auto& flag : flags_) {
    left.push_back("  --" + flag.name + (flag.placeholder.empty() ? "" : "=" + flag.placeholder));
    width = std::max(width, left.back().size());
  }
  std::string text;
  for (std::size_t i = 0; i < flags_.size(); ++i) {
    text += left[i] + std::string(width - left[i].size() + 2, ' ') + flags_[i].help;
    if (!flags_[i].default_value.empty()) text += " [" + flags_[i].default_value + "]";
    text += '\n';
  }
  return text;
}

}  // namespace weft
