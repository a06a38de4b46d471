// Flags of a command line: --name value, --name=value, and switches.
#pragma once

#include "../../framework/clock.hpp"
#include "../../framework/error.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// A command line cannot be understood; the message says which part, and what to do.
class FlagError : public InvalidArgument {
 public:
  using InvalidArgument::InvalidArgument;
};

/// What a program may be told, and what it was told. The last of several counts.
class Flags {
 public:
  /// Adds `--name`, whose value the help calls `placeholder`. Errors: InvalidArgument for a name
  /// that is there already, or is none.
  Flags& add(std::string name, std::string placeholder, std::string help,
             std::string default_value = {});
  /// Adds `--name`, which takes no value.
  Flags& add_switch(std::string name, std::string help);

  /// Reads all but the first, which is the program's own name. Errors: FlagError.
  void parse(int argc, const char* const* argv);

  /// Whether the command line has it. Errors, here and below: InvalidArgument for a name that was
  /// not added.
  [[nodiscard]] bool given(std::string_view name) const;
  /// What it was given, or its default.
  [[nodiscard]] const std::string& value(std::string_view name) const;
  /// The same as a time: "10" and "10s" are seconds, "250ms", "2min" and "1h" say so.
  /// Errors: FlagError for what is none.
  [[nodiscard]] Duration duration(std::string_view name) const;

  /// One line for each flag, as --help prints them.
  [[nodiscard]] std::string help() const;

 private:
  struct Flag {
    std::string name;
    // Empty for a switch.
    std::string placeholder;
    std::string help;
    std::string value;
    std::string default_value;
    bool given = false;
  };
  void add_one(Flag flag);
  [[nodiscard]] Flag* find(std::string_view name) noexcept;
  [[nodiscard]] const Flag& known(std::string_view name) const;

  std::vector<Flag> flags_;
};

}  // namespace weft
