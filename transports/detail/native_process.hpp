// A child as its system sees it: NativeProcess, which ChildProcess is made of.
#pragma once

#ifdef _WIN32
#include "windows_process.hpp"
#else
#include "linux_process.hpp"
#endif
