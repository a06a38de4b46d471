#include <csignal>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <fcntl.h>
#include <io.h>
#include <string>
#include <windows.h>

namespace {

// The program that the tests of processes run on Windows: its first argument says what it does, as
// that of process_child_test.cpp. None lives longer than a minute, should a test die.

constexpr DWORD for_ever = 60'000;

std::string narrow(const wchar_t* text) {
  std::string result(std::wcslen(text) * 3 + 1, '\0');
  const int size = ::WideCharToMultiByte(CP_UTF8, 0, text, -1, result.data(),
                                         static_cast<int>(result.size()), nullptr, nullptr);
  result.resize(static_cast<std::size_t>(size > 0 ? size - 1 : 0));
  return result;
}

int number(const wchar_t* text) {
  return static_cast<int>(std::wcstol(text, nullptr, 10));
}

bool write_all(int to, const char* data, std::size_t size) {
  while (size > 0) {
    const int written = ::_write(to, data, static_cast<unsigned int>(size));
    if (written < 0) return false;
    data += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

void say(const std::string& text, int to = 1) {
  write_all(to, text.data(), text.size());
}

int wait_for_ever() {
  ::Sleep(for_ever);
  return 97;
}

int copy(int from, int first, int second = -1) {
  char block[64 * 1024];
  ::_setmode(from, _O_BINARY);
  for (;;) {
    const int count = ::_read(from, block, sizeof block);
    if (count <= 0) return 0;
    const auto size = static_cast<std::size_t>(count);
    if (!write_all(first, block, size)) return 1;
    if (second >= 0 && !write_all(second, block, size)) return 1;
  }
}

int write_much(const wchar_t* size) {
  static char block[64 * 1024];
  std::memset(block, 'x', sizeof block);
  for (auto left = std::wcstoull(size, nullptr, 10); left > 0;) {
    const auto part = left < sizeof block ? left : sizeof block;
    if (!write_all(1, block, part)) return 1;
    left -= part;
  }
  return 0;
}

int print_list(wchar_t** list, int count) {
  for (int i = 0; i < count; ++i)
    write_all(1, narrow(list[i]).c_str(), narrow(list[i]).size() + 1);
  return 0;
}

// As the other way of taking a command line apart has it.
int print_arguments_of_the_shell() {
  int count = 0;
  wchar_t** const list = ::CommandLineToArgvW(::GetCommandLineW(), &count);
  const int result = print_list(list, count);
  ::LocalFree(list);
  return result;
}

int print_environment() {
  wchar_t* const block = ::GetEnvironmentStringsW();
  for (const wchar_t* variable = block; *variable != L'\0'; variable += std::wcslen(variable) + 1)
    write_all(1, narrow(variable).c_str(), narrow(variable).size() + 1);
  ::FreeEnvironmentStringsW(block);
  return 0;
}

int say_where() {
  wchar_t path[MAX_PATH] = L"";
  ::GetCurrentDirectoryW(MAX_PATH, path);
  say(narrow(path));
  return 0;
}

// Another of us, which has our standard handles.
bool start_another(std::wstring does) {
  wchar_t program[MAX_PATH] = L"";
  ::GetModuleFileNameW(nullptr, program, MAX_PATH);
  STARTUPINFOW startup{};
  startup.cb = sizeof startup;
  startup.dwFlags = STARTF_USESTDHANDLES;
  startup.hStdInput = ::GetStdHandle(STD_INPUT_HANDLE);
  startup.hStdOutput = ::GetStdHandle(STD_OUTPUT_HANDLE);
  startup.hStdError = ::GetStdHandle(STD_ERROR_HANDLE);
  PROCESS_INFORMATION started{};
  does.insert(0, L"child ");
  if (!::CreateProcessW(program, does.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &startup,
                        &started)) {
    return false;
  }
  ::CloseHandle(started.hThread);
  ::CloseHandle(started.hProcess);
  return true;
}

BOOL WINAPI ignore(DWORD) {
  return TRUE;
}

int wait_stubbornly() {
  ::SetConsoleCtrlHandler(&ignore, TRUE);
  say("ready\n");
  return wait_for_ever();
}

int leave_stubborn_grandchild() {
  if (!start_another(L"stubborn")) return 96;
  return wait_for_ever();
}

// Which of the handles in its arguments are open here.
int tell_handles(wchar_t** handles, int count) {
  for (int i = 0; i < count; ++i) {
    const auto value = std::wcstoull(handles[i], nullptr, 10);
    DWORD flags = 0;
    say(::GetHandleInformation(reinterpret_cast<HANDLE>(value), &flags) ? "open " : "closed ");
  }
  return 0;
}

// The way back of a relay. Each direction ends by itself, and in order: a pipe tells the end of who
// wrote to it and of who read from it, but not how they ended.
DWORD WINAPI relay_back(void*) {
  copy(3, 1);
  ::_close(3);
  ::_close(1);
  return 0;
}

// Stands between two pairs of pipes: what it reads goes to 4, and what comes from 3 it says.
int relay() {
  const HANDLE back = ::CreateThread(nullptr, 0, &relay_back, nullptr, 0, nullptr);
  copy(0, 4);
  ::_close(4);
  ::WaitForSingleObject(back, INFINITE);
  return 0;
}

int close_early() {
  ::_close(1);
  ::_close(2);
  return copy(0, -1);
}

// As the system ends it, without the time that a debugger would take.
int fault() {
  ::TerminateProcess(::GetCurrentProcess(), STATUS_ACCESS_VIOLATION);
  return wait_for_ever();
}

}  // namespace

int wmain(int count, wchar_t** arguments) {
  for (const int descriptor : {1, 2})
    ::_setmode(descriptor, _O_BINARY);
  if (count < 2) return 99;
  const auto is = [&](const wchar_t* name) { return std::wcscmp(arguments[1], name) == 0; };
  if (is(L"arguments")) return print_list(arguments, count);
  if (is(L"shell-arguments")) return print_arguments_of_the_shell();
  if (is(L"handles")) return tell_handles(arguments + 2, count - 2);
  if (is(L"cat")) return copy(0, 1);
  if (is(L"cat-to-both")) return copy(0, 1, 2);
  if (is(L"close-early")) return close_early();
  if (is(L"environment")) return print_environment();
  if (is(L"fault")) return fault();
  if (is(L"grandchild")) return start_another(L"late") ? 3 : 96;
  if (is(L"late")) return copy(0, 1), say("late"), 0;
  if (is(L"relay")) return relay();
  if (is(L"ignore-term") || is(L"ready") || is(L"stubborn")) return wait_stubbornly();
  if (is(L"stubborn-grandchild")) return leave_stubborn_grandchild();
  if (is(L"wait")) return wait_for_ever();
  if (is(L"where")) return say_where();
  if (count > 2) {
    const wchar_t* const value = arguments[2];
    if (is(L"exit")) return number(value);
    if (is(L"much")) return write_much(value);
    if (is(L"say")) return say(narrow(value)), 0;
    if (is(L"complain")) return say(narrow(value), 2), 7;
    if (is(L"copy") && count > 3) return copy(number(value), number(arguments[3]));
  }
  return 98;
}
