#include "pipe_pair.hpp"

#include <atomic>
#include <string>
#include <system_error>

namespace weft::detail {

namespace {

std::wstring unused_name() {
  static std::atomic<unsigned> count{0};
  LARGE_INTEGER ticks{};
  ::QueryPerformanceCounter(&ticks);
  return L"\\\\.\\pipe\\weft-" + std::to_wstring(::GetCurrentProcessId()) + L"-" +
         std::to_wstring(++count) + L"-" + std::to_wstring(ticks.QuadPart);
}

OwnedHandle opened(HANDLE handle) {
  OwnedHandle owned(handle);
  if (!owned.open()) {
    throw std::system_error(static_cast<int>(::GetLastError()), std::system_category(),
                            "A pipe could not be made");
  }
  return owned;
}

}  // namespace

PipePair overlapped_pipe_pair(PipeFlow flow) {
  const auto name = unused_name();
  // Where we write, a read that waits is how we learn that nobody reads at the other end any more.
  const DWORD access = flow == PipeFlow::to_us ? PIPE_ACCESS_INBOUND : PIPE_ACCESS_DUPLEX;
  auto ours = opened(::CreateNamedPipeW(
      name.c_str(), access | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
      PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, 1,
      pipe_buffer_size, pipe_buffer_size, 0, nullptr));
  SECURITY_ATTRIBUTES inheritable{};
  inheritable.nLength = sizeof inheritable;
  inheritable.bInheritHandle = TRUE;
  // Programs ask their ends for, and set, how they block.
  const DWORD theirs_may = flow == PipeFlow::to_us ? GENERIC_WRITE | FILE_READ_ATTRIBUTES
                                                   : GENERIC_READ | FILE_WRITE_ATTRIBUTES;
  auto theirs =
      opened(::CreateFileW(name.c_str(), theirs_may, 0, &inheritable, OPEN_EXISTING, 0, nullptr));
  return {std::move(ours), std::move(theirs)};
}

}  // namespace weft::detail
