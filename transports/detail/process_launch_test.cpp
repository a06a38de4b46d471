#include "process_launch.hpp"

#include <gtest/gtest.h>

#include <array>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::detail {
namespace {

bool closes_on_exec(int descriptor) {
  return (::fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0;
}

// In a child of ours, whose descriptors are its own to spoil.
[[noreturn]] void mark(bool newest_way) {
  const int first = ::fcntl(STDERR_FILENO, F_DUPFD, 40);
  const int second = ::fcntl(STDERR_FILENO, F_DUPFD, 41);
  const int third = ::fcntl(STDERR_FILENO, F_DUPFD, 200);
  const std::array kept{0, 1, 2, second};
  const bool right = close_others_on_exec(kept, newest_way) && closes_on_exec(first) &&
                     !closes_on_exec(second) && closes_on_exec(third) && !closes_on_exec(0);
  ::_exit(right ? 0 : 1);
}

class ClosingOthers : public ::testing::TestWithParam<bool> {};

TEST_P(ClosingOthers, SparesThoseThatAreKeptAndNoOthers) {
  const auto child = ::fork();
  if (child == 0) mark(GetParam());
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

INSTANTIATE_TEST_SUITE_P(ByEachWay, ClosingOthers, ::testing::Bool());

}  // namespace
}  // namespace weft::detail
