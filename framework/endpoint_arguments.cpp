#include "endpoint_arguments.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace weft {

namespace {

std::string message_for(std::string_view endpoint, std::size_t position, std::size_t length,
                        const std::string& why) {
  std::string text = "The endpoint \"" + std::string(endpoint) + "\" is wrong at ";
  if (length > 0) {
    text += "\"" + std::string(endpoint.substr(position, length)) + "\" (character " +
            std::to_string(position + 1) + ")";
  } else {
    text += position == 0 ? "its beginning" : "its end";
  }
  return text + ": " + why;
}

bool is_name(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::optional<std::uint32_t> whole_number(std::string_view text, int base) noexcept {
  std::uint32_t value = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

// ---- what is wrong

EndpointError::EndpointError(std::string_view endpoint, std::size_t position, std::size_t length,
                             const std::string& why)
    : InvalidArgument(message_for(endpoint, position, length, why)),
      endpoint_(endpoint),
      position_(position),
      length_(length) {}

std::string EndpointError::picture() const {
  std::string marks(position_, ' ');
  marks += '^';
  if (length_ > 1) marks.append(length_ - 1, '~');
  return endpoint_ + "\n" + marks;
}

// ---- reading

EndpointArguments::EndpointArguments(std::string_view endpoint) : endpoint_(endpoint) {
  std::size_t at = endpoint_.find(':');
  kind_.text = endpoint_.substr(0, at);
  kind_.length = kind_.text.size();
  if (!is_name(kind_.text)) {
    refuse(kind_, "it begins with its kind and a colon, as in \"tcp:8080\".");
  }
  while (at < endpoint_.size()) {
    ++at;
    // "stdio:" has no argument, not an empty one.
    if (at == endpoint_.size() && parts_.empty()) break;
    parts_.push_back(read_part(at));
  }
}

EndpointArguments::Part EndpointArguments::read_part(std::size_t& at) const {
  Part part;
  part.position = at;
  const auto mark = endpoint_.find_first_of("=:\\[", at);
  if (mark != std::string::npos && endpoint_[mark] == '=') {
    const auto name = endpoint_.substr(at, mark - at);
    if (is_name(name)) {
      part.name = name;
      at = mark + 1;
    }
  }
  part.value.position = at;
  part.value.text = read_value(at);
  part.value.length = at - part.value.position;
  return part;
}

std::string EndpointArguments::read_value(std::size_t& at) const {
  if (at < endpoint_.size() && endpoint_[at] == '[') return read_brackets(at);
  std::string text;
  for (; at < endpoint_.size() && endpoint_[at] != ':'; ++at) {
    if (endpoint_[at] == '\\' && ++at == endpoint_.size()) {
      throw EndpointError(endpoint_, at - 1, 1, "a backslash is followed by what it escapes.");
    }
    text += endpoint_[at];
  }
  return text;
}

std::string EndpointArguments::read_brackets(std::size_t& at) const {
  const auto start = at++;
  std::string text;
  for (int depth = 1; at < endpoint_.size(); ++at) {
    const char c = endpoint_[at];
    if (c == '\\' && at + 1 < endpoint_.size()) {
      // Whoever reads what is inside takes the escapes away.
      text += c;
      text += endpoint_[++at];
      continue;
    }
    if (c == '[') ++depth;
    if (c == ']' && --depth == 0) {
      ++at;
      if (at < endpoint_.size() && endpoint_[at] != ':') {
        throw EndpointError(endpoint_, at, 1, "a colon follows the closing bracket.");
      }
      return text;
    }
    text += c;
  }
  throw EndpointError(endpoint_, start, 1, "this bracket is not closed.");
}

// ---- taking

template <class Wanted>
std::optional<EndpointArgument> EndpointArguments::take(Wanted&& wanted) {
  const auto found = std::find_if(parts_.begin(), parts_.end(),
                                  [&](const Part& part) { return !part.taken && wanted(part); });
  if (found == parts_.end()) return std::nullopt;
  found->taken = true;
  return found->value;
}

std::optional<EndpointArgument> EndpointArguments::named(std::string_view name) {
  return take([name](const Part& part) { return part.name == name; });
}

std::optional<EndpointArgument> EndpointArguments::optional(std::string_view name) {
  if (auto found = named(name)) return found;
  return take([](const Part& part) { return part.name.empty(); });
}

EndpointArgument EndpointArguments::required(std::string_view name) {
  if (auto found = optional(name)) return *std::move(found);
  throw EndpointError(endpoint_, endpoint_.size(), 0,
                      "\"" + kind_.text + "\" needs \"" + std::string(name) + "\".");
}

std::vector<EndpointArgument> EndpointArguments::places() {
  std::vector<EndpointArgument> all;
  while (auto found = take([](const Part& part) { return part.name.empty(); }))
    all.push_back(*std::move(found));
  return all;
}

EndpointArgument EndpointArguments::endpoint_within() {
  const auto first = std::find_if(parts_.begin(), parts_.end(),
                                  [](const Part& part) { return part.name.empty(); });
  if (first == parts_.end()) {
    throw EndpointError(endpoint_, endpoint_.size(), 0,
                        "\"" + kind_.text + "\" goes around another endpoint, as in \"" +
                            kind_.text + ":tcp:8080\".");
  }
  const auto position = first->position;
  parts_.erase(first, parts_.end());
  return {endpoint_.substr(position), position, endpoint_.size() - position};
}

void EndpointArguments::finish() const {
  for (const Part& part : parts_) {
    if (part.taken) continue;
    const auto length = part.value.position + part.value.length - part.position;
    const auto why = part.name.empty() ? "this is more than \"" + kind_.text + "\" takes."
                                       : "\"" + kind_.text + "\" has no \"" + part.name +
                                             "\", or has been given it already.";
    throw EndpointError(endpoint_, part.position, length, why);
  }
}

// ---- what values mean

void EndpointArguments::refuse(const EndpointArgument& argument, const std::string& why) const {
  throw EndpointError(endpoint_, argument.position, argument.length, why);
}

Port EndpointArguments::port(const EndpointArgument& argument) const {
  const auto value = whole_number(argument.text, 10);
  if (!value || *value > 65535) refuse(argument, "a port is a number from 0 to 65535.");
  return static_cast<Port>(*value);
}

std::uint32_t EndpointArguments::number(const EndpointArgument& argument) const {
  const auto value = whole_number(argument.text, 10);
  if (!value) refuse(argument, "a number is needed here.");
  return *value;
}

std::uint32_t EndpointArguments::octal_number(const EndpointArgument& argument) const {
  const auto value = whole_number(argument.text, 8);
  if (!value || *value > 07777) refuse(argument, "a mode is an octal number such as 600.");
  return *value;
}

Duration EndpointArguments::seconds(const EndpointArgument& argument) const {
  double value = 0;
  const auto* const end = argument.text.data() + argument.text.size();
  const auto [stop, error] = std::from_chars(argument.text.data(), end, value);
  // A thousand years are as good as for ever, and not too long for any clock.
  if (error != std::errc() || stop != end || !(value > 0 && value <= 3e10)) {
    refuse(argument, "a time is a number of seconds above zero, such as 2.5.");
  }
  return std::chrono::ceil<Duration>(std::chrono::duration<double>(std::min(value, 3e9)));
}

bool EndpointArguments::yes_or_no(const EndpointArgument& argument) const {
  const auto& text = argument.text;
  if (text == "yes" || text == "true" || text == "1") return true;
  if (text == "no" || text == "false" || text == "0") return false;
  refuse(argument, "yes or no is needed here.");
}

std::vector<EndpointArgument> EndpointArguments::list(const EndpointArgument& argument) const {
  std::vector<EndpointArgument> all;
  std::string_view text = argument.text;
  for (;;) {
    const auto comma = text.find(',');
    const auto one = text.substr(0, comma);
    if (one.empty()) refuse(argument, "a list has a comma between two values.");
    all.push_back({std::string(one), argument.position, argument.length});
    if (comma == std::string_view::npos) return all;
    text.remove_prefix(comma + 1);
  }
}

std::string escape_endpoint_value(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == ':' || c == '\\' || c == '=' || c == '[') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace weft
