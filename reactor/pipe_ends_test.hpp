// Pipes made by hand, for the tests of what carries them on Windows.
#pragma once

#include "../framework/watch.hpp"
#include "../transports/detail/owned_handle.hpp"

#include <atomic>
#include <stdexcept>
#include <string>
#include <windows.h>

namespace weft::testing {

inline std::string unused_pipe_name() {
  static std::atomic<int> count{0};
  return "weft-test-" + std::to_string(::GetCurrentProcessId()) + "-" + std::to_string(++count);
}

inline std::string full_pipe_name(const std::string& name) {
  return R"(\\.\pipe\)" + name;
}

/// One instance of a named pipe, as a program without weft makes it.
inline weft::detail::OwnedHandle pipe_instance(const std::string& name,
                                               DWORD access = PIPE_ACCESS_DUPLEX,
                                               DWORD mode = PIPE_TYPE_BYTE | PIPE_READMODE_BYTE) {
  weft::detail::OwnedHandle instance(
      ::CreateNamedPipeA(full_pipe_name(name).c_str(), access | FILE_FLAG_OVERLAPPED,
                         mode | PIPE_WAIT, 1, 4096, 4096, 0, nullptr));
  if (!instance.open()) throw std::runtime_error("no pipe could be made");
  return instance;
}

/// What is at the other end of one.
inline weft::detail::OwnedHandle pipe_client(const std::string& name,
                                             DWORD access = GENERIC_READ | GENERIC_WRITE,
                                             DWORD flags = FILE_FLAG_OVERLAPPED) {
  return weft::detail::OwnedHandle(::CreateFileA(full_pipe_name(name).c_str(), access, 0, nullptr,
                                                 OPEN_EXISTING, flags, nullptr));
}

/// A pipe of one direction, both of whose ends are open for overlapped I/O.
struct OneWayPipe {
  OneWayPipe() {
    const auto name = unused_pipe_name();
    reader = pipe_instance(name, PIPE_ACCESS_INBOUND);
    writer = pipe_client(name, GENERIC_WRITE);
    if (!writer.open()) throw std::runtime_error("a pipe could not be opened");
  }
  weft::detail::OwnedHandle reader;
  weft::detail::OwnedHandle writer;
};

inline Descriptor given(weft::detail::OwnedHandle handle) {
  return reinterpret_cast<Descriptor>(handle.release());
}

inline bool is_open(Descriptor handle) {
  DWORD flags = 0;
  return ::GetHandleInformation(reinterpret_cast<HANDLE>(handle), &flags) != 0;
}

}  // namespace weft::testing
