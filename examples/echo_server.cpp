// Run `echo_server`, then `nc 127.0.0.1 7777` beside it: every line that you type comes back. With
// --verbose the log tells of each connection, by its number.
#include "self_test.hpp"

namespace {

// [variable]
const weft::ContextVar<int> connection("connection", {.text = weft::to_text<int>});
// [variable]

// [echo]
class Echo : public weft::Protocol {
 public:
  void data_received(weft::BytesView data) override { transport().write(data); }

  // A peer that sends and never reads must not fill our memory: while what it was sent waits, what
  // it sends waits as well.
  void pause_writing() override { transport().pause_producing(); }
  void resume_writing() override { transport().resume_producing(); }
};
// [echo]

// [numbered]
// A factory runs in the context of the connection that it builds for, so each has its own number.
std::shared_ptr<weft::Factory> numbered(int& last) {
  return weft::factory_from([&last] {
    connection.set(++last);
    weft::log(weft::LogLevel::debug, "echo", "It has come.");
    weft::Context::current().on_exit(
        [] { weft::log(weft::LogLevel::debug, "echo", "All that was done for it has ended."); });
    return std::make_shared<Echo>();
  });
}
// [numbered]

}  // namespace

int main(int argc, char** argv) try {
  Example example(Example::Role::server, "Sends back whatever it is sent.", 7777);
  int last = 0;
  bool verbose = false;
  bool self_test = false;
  example.add_flag("--verbose", verbose, "Log each connection");
  example.add_flag("--self-test", self_test, "Talk to itself for a moment, then end");
  return example.run(argc, argv, [&] {
    if (verbose) weft::set_log_level(weft::LogLevel::debug);
    const auto port = example.listen(numbered(last));
    if (!self_test) return;
    begin_self_test(example, port.address(), 1,
                    {{"one\n", "one\n"}, {"two\n", "two\n"}, {"three\n", "three\n"}});
  });
} catch (...) {
  return report_exception();
}
