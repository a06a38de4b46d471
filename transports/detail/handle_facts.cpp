#include "handle_facts.hpp"

#include "../../framework/error.hpp"

#include <array>
#include <cstdio>
#include <string>
#include <winternl.h>

namespace weft::detail {

namespace {

// Of FILE_INFORMATION_CLASS and their contents, as the headers for drivers have them.
constexpr auto mode_information = static_cast<FILE_INFORMATION_CLASS>(16);
constexpr auto pipe_local_information = static_cast<FILE_INFORMATION_CLASS>(24);
constexpr ULONG synchronous_modes = 0x10 | 0x20;
constexpr ULONG closing_state = 4;
struct PipeLocalInformation {
  std::array<ULONG, 8> sizes;
  ULONG state;
  ULONG end;
};

template <class Information>
bool ask(HANDLE handle, FILE_INFORMATION_CLASS what, Information& information) noexcept {
  IO_STATUS_BLOCK status{};
  return ::NtQueryInformationFile(handle, &status, &information, sizeof information, what) >= 0;
}

std::string name_of(HANDLE handle) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "Handle 0x%llx",
                static_cast<unsigned long long>(reinterpret_cast<ULONG_PTR>(handle)));
  return text.data();
}

bool waits_for_each_call(HANDLE handle) noexcept {
  ULONG mode = 0;
  return ask(handle, mode_information, mode) && (mode & synchronous_modes) != 0;
}

}  // namespace

bool is_file(HANDLE handle) noexcept {
  return ::GetFileType(handle) == FILE_TYPE_DISK;
}

bool other_end_closed(HANDLE pipe) noexcept {
  PipeLocalInformation information{};
  return ask(pipe, pipe_local_information, information) && information.state == closing_state;
}

void refuse_handle(HANDLE handle, std::error_code reason) {
  const auto name = name_of(handle);
  if (reason.value() == ERROR_INVALID_HANDLE || handle == nullptr) {
    throw InvalidArgument(name + " is none that is open; pass one that is.", {}, reason);
  }
  DWORD mode = 0;
  if (::GetConsoleMode(handle, &mode) != 0) {
    throw NotSupportedOnThisPlatform(
        name +
            " is a console's, which Windows cannot wait for beside other things; redirect it to "
            "a named pipe opened with FILE_FLAG_OVERLAPPED, or use it on the thread pool.",
        {}, reason);
  }
  if (is_file(handle)) refuse_file(handle);
  if (waits_for_each_call(handle)) {
    throw NotSupportedOnThisPlatform(
        name +
            " was not opened for overlapped I/O, so that using it would stop the loop; open it "
            "with FILE_FLAG_OVERLAPPED. Pipes by CreatePipe never are: make named ones instead.",
        {}, reason);
  }
  throw InvalidArgument(name +
                            " cannot be taken by this reactor's completion port; pass one that "
                            "no other port has: " +
                            reason.message() + ".",
                        {}, reason);
}

void refuse_file(HANDLE handle) {
  throw NotSupportedOnThisPlatform(
      name_of(handle) +
      " leads to a file on a disk, which is no stream; read and write it on the thread pool.");
}

}  // namespace weft::detail
