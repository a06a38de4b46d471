// Run `stream_echo`, then `nc 127.0.0.1 7777` beside it: every line comes back with its number.
#include "self_test.hpp"

#include <string>

namespace {

// [serve]
weft::Task<void> serve(weft::Stream& stream) {
  int count = 0;
  while (const auto line = co_await stream.read_line()) {
    if (*line == "quit") co_return;
    co_await stream.write(std::to_string(++count) + " " + *line + "\n");
  }
}
// [serve]

}  // namespace

int main(int argc, char** argv) try {
  Example example(Example::Role::server, "Sends back numbered lines, by a coroutine.", 7777);
  bool self_test = false;
  example.add_flag("--self-test", self_test, "Talk to itself for a moment, then end");
  return example.run(argc, argv, [&] {
    const auto port = example.listen(weft::stream_server(serve));
    if (!self_test) return;
    begin_self_test(example, port.address(), 1, {{"one\n", "1 one\n"}, {"two\n", "2 two\n"}});
  });
} catch (...) {
  return report_exception();
}
