// A program, its arguments and its environment, as the text that Windows takes. No system call, so
// that it is tested anywhere.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::detail {

/// `text`, which is `what` of a program. Errors: InvalidArgument when it has a NUL or is no UTF-8.
[[nodiscard]] std::u16string windows_text(std::string_view text, std::string_view what);

/// The one line from which a program's C runtime, or CommandLineToArgvW, makes these again.
/// Errors: InvalidArgument when there is none: a quote in `called`, a NUL, what is no UTF-8.
[[nodiscard]] std::u16string windows_command_line(std::string_view called,
                                                  std::span<const std::string> arguments);

/// What CreateProcess takes for an environment: in the order of the names, whose case does not
/// count. Errors: InvalidArgument for a name that is none, that comes twice but for its case, or
/// what cannot be passed.
[[nodiscard]] std::u16string windows_environment(
    const std::map<std::string, std::string>& variables);

/// The value of the variable of that name, whose case does not count.
[[nodiscard]] std::string_view windows_variable(const std::map<std::string, std::string>& variables,
                                                std::string_view name) noexcept;

/// The files that may be meant by `program`, best first. A name alone is looked for in the folders
/// of `search`, and nowhere else; what is relative begins in `directory`. ".exe" may be left out.
[[nodiscard]] std::vector<std::u16string> windows_candidates(std::u16string_view program,
                                                             std::u16string_view search,
                                                             std::u16string_view directory);

/// Whether Windows hands that file to cmd.exe, which takes arguments apart by rules of its own.
[[nodiscard]] bool is_batch_file(std::u16string_view path) noexcept;

}  // namespace weft::detail
