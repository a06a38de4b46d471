#include "../framework/transport.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../transports/endpoints.hpp"
#include "../transports/streams.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEFT_SANITIZED
// GCC comes without the header that declares it.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#else
#include <malloc.h>
#endif

#ifdef WEFT_WITH_TLS
#include "../transports/test_certificates_test.hpp"

#include <fstream>
#endif

namespace weft {
namespace {

#ifdef WEFT_SANITIZED
constexpr int connections = 1'000;
constexpr int handshakes = 100;
#else
constexpr int connections = 10'000;
// They cost a hundred times as much.
constexpr int handshakes = 500;
#endif
// How many are open at a time.
constexpr int wave = 50;
// What tables and free lists may still grow by, once they have seen a few waves.
constexpr std::size_t slack = 32 * 1024;

// How often: WEFT_CHURN says for all carriers, whatever it takes.
int times(int unless_told) {
  const char* const told = std::getenv("WEFT_CHURN");
  return told != nullptr ? std::atoi(told) : unless_told;
}

std::size_t heap_in_use() {
#ifdef WEFT_SANITIZED
  return __sanitizer_get_current_allocated_bytes();
#else
  return mallinfo2().uordblks;
#endif
}

std::size_t open_descriptors() {
  using Iterator = std::filesystem::directory_iterator;
  return static_cast<std::size_t>(std::distance(Iterator("/proc/self/fd"), Iterator()));
}

// Both sides of a connection: the client says one thing, hears it again and leaves.
class Side final : public Protocol {
 public:
  Side(int& open, bool client) : open_(open), client_(client) {}
  void connection_made() override {
    ++open_;
    if (client_) transport().write("x");
  }
  void data_received(BytesView data) override {
    client_ ? transport().lose_connection() : transport().write(data);
  }
  void connection_lost(const Failure&) override { --open_; }

 private:
  int& open_;
  bool client_;
};

// Begins one connection between the two factories.
using Begin = std::function<void(Reactor&, Factory& client, Factory& server)>;
struct Carrier {
  std::string name;
  // Where there is a port.
  std::string server;
  std::string client;
  // Where there is none.
  Begin begin;
  int count = connections;
};

void over_socket_pair(Reactor& reactor, Factory& client, Factory& server) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw std::runtime_error("no pair of sockets could be made");
  }
  adopt_stream(reactor, ends[0], server.build_protocol({}));
  adopt_stream(reactor, ends[1], client.build_protocol({}));
}

void over_pipes(Reactor& reactor, Factory& client, Factory& server) {
  std::array<int, 2> there{};
  std::array<int, 2> back{};
  if (::pipe2(there.data(), O_CLOEXEC) != 0 || ::pipe2(back.data(), O_CLOEXEC) != 0) {
    throw std::runtime_error("no pipes could be made");
  }
  adopt_pipes(reactor, there[0], back[1], server.build_protocol({}));
  adopt_pipes(reactor, back[0], there[1], client.build_protocol({}));
}

#ifdef WEFT_WITH_TLS
// A certificate for 127.0.0.1 and who signed it, in a file for as long as the program runs.
class CertificateFile {
 public:
  CertificateFile() {
    const TestAuthority authority("churn");
    CertificateWish wish("127.0.0.1");
    wish.names = {"IP:127.0.0.1"};
    const auto identity = authority.issue(wish);
    std::ofstream(path_) << identity.chain.value() << identity.key.value()
                         << authority.certificate().value();
  }
  ~CertificateFile() { std::filesystem::remove(path_); }
  CertificateFile(const CertificateFile&) = delete;
  CertificateFile& operator=(const CertificateFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = ::testing::TempDir() + "weft-churn-" + std::to_string(::getpid()) + ".pem";
};

Carrier tls_carrier() {
  static const CertificateFile certificate;
  const auto& file = certificate.path();
  return {"tls",
          "tls:0:interface=127.0.0.1:cert=" + file,
          "tls:server_name=127.0.0.1:trust=" + file + ":127.0.0.1:",
          {},
          handshakes};
}
#endif

std::vector<Carrier> carriers() {
  const auto abstract = "unix:@weft-churn-" + std::to_string(::getpid());
  std::vector<Carrier> all = {
      {"tcp", "tcp:0:interface=127.0.0.1", "tcp:127.0.0.1:", {}},
      {"unix", abstract, abstract, {}},
      {"proxied", "haproxy:tcp:0:interface=127.0.0.1", "haproxy:tcp:127.0.0.1:", {}},
      {"socketpair", "", "", over_socket_pair},
      {"pipe", "", "", over_pipes}};
#ifdef WEFT_WITH_TLS
  all.push_back(tls_carrier());
#endif
  return all;
}

struct Churned {
  std::string reactor;
  Carrier carrier;
};

class Churn : public ::testing::TestWithParam<Churned> {
 protected:
  Churn() {
    const auto& carrier = GetParam().carrier;
    client_endpoint_ = carrier.client;
    if (carrier.server.empty()) return;
    auto listening = listen(*reactor_, carrier.server, server_);
    port_ = listening.take_result().value().value();
    if (client_endpoint_.ends_with(':')) {
      client_endpoint_ += std::to_string(port_.address().port());
    }
  }

  void connect_one() {
    if (const auto& begin = GetParam().carrier.begin) return begin(*reactor_, *client_, *server_);
    ++connecting_;
    const auto ended =
        connect(*reactor_, client_endpoint_, client_)
            .add_callbacks([this](const auto&) { --connecting_; },
                           [](const Failure& failure) { ADD_FAILURE() << failure.message(); });
  }
  void churn(int count) {
    for (int begun = 0; begun < count; begun += wave) {
      for (int i = 0; i < wave; ++i)
        connect_one();
      ASSERT_TRUE(testing::spin_reactor_until(*reactor_,
                                              [this] { return connecting_ == 0 && open_ == 0; }));
    }
  }

  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam().reactor);
  int open_ = 0;
  int connecting_ = 0;
  std::shared_ptr<Factory> client_ = factory_for<Side>(std::ref(open_), true);
  std::shared_ptr<Factory> server_ = factory_for<Side>(std::ref(open_), false);
  std::string client_endpoint_;
  ListeningPort port_;
};

TEST_P(Churn, LeavesDescriptorsAndHeapAsTheyWere) {
  churn(10 * wave);
  const auto descriptors = open_descriptors();
  const auto heap = heap_in_use();
  churn(times(GetParam().carrier.count));
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_LE(heap_in_use(), heap + slack);
}

std::vector<Churned> all() {
  std::vector<Churned> kinds;
  for (const auto& reactor : reactor_names()) {
    for (const auto& carrier : carriers())
      kinds.push_back({reactor, carrier});
  }
  return kinds;
}

INSTANTIATE_TEST_SUITE_P(Each, Churn, ::testing::ValuesIn(all()), [](const auto& tested) {
  return tested.param.carrier.name + "_" + tested.param.reactor;
});

}  // namespace
}  // namespace weft
