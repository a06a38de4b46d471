// Run `feed_parser`, then `printf '\0\21TWEFT    \0\1\206\240\0\0\0\144' | nc -N 127.0.0.1 7780`:
// it prints 100 WEFT at 10.0000.
#include "example.hpp"
#include "feed.h"

#include <cstdio>

namespace {

/// Hands the bytes of a connection to the C library, and prints the trades that it finds.
class FeedProtocol : public weft::Protocol {
 public:
  void data_received(weft::BytesView data) override {
    if (feed_parse(&feed_, data.data(), data.size(), print, nullptr) == 0) return;
    say(transport().peer().text() + " sends what is no feed");
    transport().abort_connection();
  }

  void connection_lost(const weft::Failure&) override {
    say("the feed from " + transport().peer().text() + " ended");
  }

 private:
  static void print(const feed_trade* trade, void*) {
    char line[80];
    std::snprintf(line, sizeof line, "%u %s at %u.%04u", trade->size, trade->symbol,
                  trade->price / 10000, trade->price % 10000);
    say(line);
  }

  feed feed_ = {};
};

}  // namespace

int main(int argc, char** argv) try {
  Example example(Example::Role::server, "Prints the trades of a market feed.", 7780);
  return example.run(argc, argv, [&] { example.listen(weft::factory_for<FeedProtocol>()); });
} catch (...) {
  return report_exception();
}
