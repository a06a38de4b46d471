// Run `echo_server`, then `nc 127.0.0.1 7777` beside it: every line that you type comes back.
#include "self_test.hpp"

namespace {

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

}  // namespace

int main(int argc, char** argv) try {
  Example example(Example::Role::server, "Sends back whatever it is sent.", 7777);
  bool self_test = false;
  example.add_flag("--self-test", self_test, "Talk to itself for a moment, then end");
  return example.run(argc, argv, [&] {
    const auto port = example.listen(weft::factory_for<Echo>());
    if (!self_test) return;
    begin_self_test(example, port.address(), 1,
                    {{"one\n", "one\n"}, {"two\n", "two\n"}, {"three\n", "three\n"}});
  });
} catch (...) {
  return report_exception();
}
