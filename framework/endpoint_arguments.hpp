// What an endpoint string such as "tcp:8080:interface=127.0.0.1" is made of, and what is wrong with
// it.
#pragma once

#include "address.hpp"
#include "clock.hpp"
#include "error.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// An endpoint string, or a part of it, makes no sense. The message names the string and the part.
class EndpointError : public InvalidArgument {
 public:
  EndpointError(std::string_view endpoint, std::size_t position, std::size_t length,
                const std::string& why);

  /// Where the bad part begins in the string, and how long it is; zero for what is missing.
  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  [[nodiscard]] std::size_t length() const noexcept { return length_; }
  /// The string, and below it a mark under the bad part: for a terminal.
  [[nodiscard]] std::string picture() const;

 private:
  std::string endpoint_;
  std::size_t position_;
  std::size_t length_;
};

/// One value in an endpoint string, without its escapes.
struct EndpointArgument {
  std::string text;
  /// Where it stands in the string.
  std::size_t position = 0;
  std::size_t length = 0;
};

/// The arguments of an endpoint string: parts divided by colons. The first is the kind; each other
/// is `name=value`, or a value that goes by its place. A backslash takes the next character's
/// meaning; a value in brackets is what is inside of them, colons and all, as in "tcp:[::1]:80".
/// Who builds an endpoint takes what it knows, and then says `finish`. Errors: EndpointError, from
/// all of these.
class EndpointArguments {
 public:
  explicit EndpointArguments(std::string_view endpoint);

  [[nodiscard]] const EndpointArgument& kind() const noexcept { return kind_; }

  /// The argument of that name, or else the next that goes by its place.
  [[nodiscard]] EndpointArgument required(std::string_view name);
  /// The same; nothing when there is none.
  [[nodiscard]] std::optional<EndpointArgument> optional(std::string_view name);
  /// The argument of that name, wherever it stands; nothing when there is none.
  [[nodiscard]] std::optional<EndpointArgument> named(std::string_view name);
  /// All that go by their place and are left, in order.
  [[nodiscard]] std::vector<EndpointArgument> places();
  /// For an endpoint around another one: the string from the first part on that goes by its place.
  [[nodiscard]] EndpointArgument endpoint_within();
  /// Errors: what was not taken is too much.
  void finish() const;

  [[nodiscard]] Port port(const EndpointArgument& argument) const;
  /// A decimal number without a sign.
  [[nodiscard]] std::uint32_t number(const EndpointArgument& argument) const;
  /// A number that may begin with zeros, as file modes are written.
  [[nodiscard]] std::uint32_t octal_number(const EndpointArgument& argument) const;
  /// Seconds, which may have a fraction; more than none.
  [[nodiscard]] Duration seconds(const EndpointArgument& argument) const;
  /// yes, true, 1, no, false or 0.
  [[nodiscard]] bool yes_or_no(const EndpointArgument& argument) const;
  /// Divided by commas; none of them empty.
  [[nodiscard]] std::vector<EndpointArgument> list(const EndpointArgument& argument) const;

  /// Says what is wrong with `argument`, as the end of a sentence.
  [[noreturn]] void refuse(const EndpointArgument& argument, const std::string& why) const;

 private:
  struct Part {
    std::string name;
    EndpointArgument value;
    // With its name.
    std::size_t position = 0;
    bool taken = false;
  };
  Part read_part(std::size_t& at) const;
  std::string read_value(std::size_t& at) const;
  std::string read_brackets(std::size_t& at) const;
  template <class Wanted>
  std::optional<EndpointArgument> take(Wanted&& wanted);

  std::string endpoint_;
  EndpointArgument kind_;
  std::vector<Part> parts_;
};

/// `text` as a value in an endpoint string: with a backslash where one is needed.
[[nodiscard]] std::string escape_endpoint_value(std::string_view text);

}  // namespace weft
