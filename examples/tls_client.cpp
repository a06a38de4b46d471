// Run `tls_client --connect example.org:443`: it tells what was settled and whom it talks to, and
// then carries standard input and output.
#include "example.hpp"

#include <chrono>
#include <ctime>
#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

auto date(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::system_clock::to_time_t(time);
  return std::put_time(std::gmtime(&seconds), "%Y-%m-%d %H:%M:%S UTC");
}

/// On standard error: standard output is the connection's.
void tell(const weft::TlsInfo& info, const weft::Address& peer) {
  const auto line = [](const char* what, const auto& value) {
    std::cerr << std::left << std::setw(13) << what << value << std::endl;
  };
  line("peer:", peer.text());
  line("version:", info.version);
  line("cipher:", info.cipher);
  line("ALPN:", info.alpn.empty() ? "none" : info.alpn);
  line("session:", info.resumed ? "resumed" : "new");
  line("verified:", info.verified ? "yes" : "NO");
  if (!info.peer_certificate) return;
  line("subject:", info.peer_certificate->subject);
  line("issuer:", info.peer_certificate->issuer);
  for (const auto& name : info.peer_certificate->names)
    line("name:", name);
  line("valid from:", date(info.peer_certificate->not_before));
  line("valid until:", date(info.peer_certificate->not_after));
  line("fingerprint:", info.peer_certificate->fingerprint);
}

/// Carries what it receives to the other side, as fast as that takes it, and its end as well.
class Side : public weft::Protocol {
 public:
  explicit Side(Example& example) : example_(example) {}
  void join(Side& other) { other_ = &other; }

  void data_received(weft::BytesView data) override { other_->transport().write(data); }
  void eof_received() override { other_->transport().lose_write_connection(); }
  void pause_writing() override { other_->transport().pause_producing(); }
  void resume_writing() override { other_->transport().resume_producing(); }
  /// The program ends when both are lost, so that what the other was given arrives.
  void connection_lost(const weft::Failure& reason) override {
    status_ = reason.check<weft::ConnectionDone>() != nullptr ? 0 : 1;
    if (other_->status_) return example_.finish(*other_->status_);
    if (*status_ != 0) std::cerr << reason.message() << std::endl;
    other_->transport().lose_connection();
  }

 protected:
  Example& example_;
  Side* other_ = nullptr;
  std::optional<int> status_;
};

class Server : public Side {
 public:
  using Side::Side;
  void connection_made() override {
    if (const auto* const info = transport().tls()) tell(*info, transport().peer());
    weft::open_stdio(example_.reactor(), other_->shared_from_this());
  }
};

/// What a "tls:" endpoint takes, each an option of this program too.
struct Wish {
  std::string name, help, value = {};
};

/// "example.org:443" or "[::1]:443".
bool is_host_and_port(std::string_view text) {
  const auto colon = text.rfind(':');
  return text.find_last_not_of("0123456789") == colon &&
         (text.find(':') == colon || text.starts_with('['));
}

std::string endpoint(std::string target, const std::vector<Wish>& wishes, bool insecurely) {
  if (!target.starts_with("tls:")) {
    target = is_host_and_port(target) ? "tls:" + target : "tls:over=[" + target + "]";
  }
  for (const Wish& wish : wishes) {
    const auto value = weft::escape_endpoint_value(wish.value);
    if (!value.empty()) target += ":" + wish.name + "=" + value;
  }
  return insecurely ? target + ":verify=no" : target;
}

}  // namespace

int main(int argc, char** argv) try {
  Example example(Example::Role::client, "Talks TLS, and tells with whom.", 443);
  std::vector<Wish> wishes = {{"trust", "A file of who may sign the server's certificate"},
                              {"revoked", "A file of what has been revoked"},
                              {"alpn", "Protocols to ask for, such as h2,http/1.1"},
                              {"cert", "A file of our certificate and its chain"},
                              {"key", "A file of its key, where that is not with it"},
                              {"server_name", "Whom we want, where that is not the host"},
                              {"min_version", "1.2 or 1.3"},
                              {"max_version", "1.2 or 1.3"}};
  for (Wish& wish : wishes)
    example.add_option("--" + wish.name, wish.value, wish.help);
  bool insecurely = false;
  example.add_flag("--insecurely", insecurely, "Take any certificate from anybody");
  const auto terminal = std::make_shared<Side>(example);
  const auto server = std::make_shared<Server>(example);
  terminal->join(*server);
  server->join(*terminal);
  return example.run(argc, argv, [&] {
    example.connect(endpoint(example.target("tls"), wishes, insecurely),
                    weft::factory_from([server] { return server; }));
  });
} catch (...) {
  return report_exception();
}
