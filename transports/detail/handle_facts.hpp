// What Windows tells of a handle, and why one cannot be carried.
#pragma once

#include <system_error>
#include <windows.h>

namespace weft::detail {

/// Whether it is a file on a disk.
[[nodiscard]] bool is_file(HANDLE handle) noexcept;
/// Whether the pipe's other end is closed; false where it cannot be told.
[[nodiscard]] bool other_end_closed(HANDLE pipe) noexcept;

/// Says why a completion port would not take a handle. Errors: InvalidArgument for what is none,
/// or what another port has; NotSupportedOnThisPlatform for the rest.
[[noreturn]] void refuse_handle(HANDLE handle, std::error_code reason);
[[noreturn]] void refuse_file(HANDLE handle);

}  // namespace weft::detail
