#include "tls_transport.hpp"

#include "../../framework/error.hpp"
#include "../../framework/logging.hpp"
#include "tls_certificates.hpp"
#include "tls_scratch.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace weft::detail {

namespace {

constexpr std::size_t max_record = 16 * 1024;
// What is encrypted before the carrier is given it: full records that fit in a scratch buffer.
constexpr std::size_t batch = 4 * max_record;
// More unsent than this, and the carrier is left alone until it says that there is room.
constexpr std::size_t carrier_takes = StreamTransport::default_high_water;
// What we write ourselves never comes to so much: `carrier_takes`, and a batch on top. More are
// answers that TLS gives by itself, to a peer who does not read them.
constexpr std::size_t too_many_answers = 256 * 1024;
// How long the peer may take to read the alert that says why we close.
constexpr auto alert_time = std::chrono::seconds(5);

}  // namespace

// ---- OpenSSL's way in and out

// Reads the view that the carrier gave, and writes to the scratch buffer. Nothing ever blocks.
class TlsTransport::Bio {
 public:
  static BIO* make(TlsTransport& transport) {
    static BIO_METHOD* const method = make_method();
    BIO* const bio = method != nullptr ? BIO_new(method) : nullptr;
    if (bio == nullptr) throw std::bad_alloc();
    BIO_set_data(bio, &transport);
    BIO_set_init(bio, 1);
    return bio;
  }

 private:
  static BIO_METHOD* make_method() {
    BIO_METHOD* const method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weft");
    if (method == nullptr) return nullptr;
    BIO_meth_set_read_ex(method, &read);
    BIO_meth_set_write_ex(method, &write);
    BIO_meth_set_ctrl(method, &control);
    return method;
  }
  static TlsTransport& of(BIO* bio) { return *static_cast<TlsTransport*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* room, std::size_t size, std::size_t* count) {
    auto& input = of(bio).input_;
    BIO_clear_retry_flags(bio);
    *count = std::min(size, input.size());
    if (*count == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    std::memcpy(room, input.data(), *count);
    input = input.from(*count);
    return 1;
  }
  static int write(BIO* bio, const char* data, std::size_t size, std::size_t* count) {
    auto& self = of(bio);
    BIO_clear_retry_flags(bio);
    *count = 0;
    try {
      for (BytesView rest(data, size); !rest.empty();) {
        if (self.ciphertext_ == nullptr) self.ciphertext_ = TlsScratch::take();
        const auto part = rest.first(TlsScratch::size - self.ciphertext_size_);
        std::memcpy(self.ciphertext_.get() + self.ciphertext_size_, part.data(), part.size());
        self.ciphertext_size_ += static_cast<std::uint32_t>(part.size());
        rest = rest.from(part.size());
        if (!rest.empty()) self.flush_ciphertext();
      }
    } catch (...) {
      return 0;
    }
    *count = size;
    return 1;
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }
};

TlsTransport::TlsTransport(Transport& carrier, std::shared_ptr<TlsShared> shared,
                           std::string server_name)
    : StreamTransport(carrier.clock()),
      carrier_(carrier),
      shared_(std::move(shared)),
      server_name_(std::move(server_name)),
      host_(carrier.host()),
      peer_(carrier.peer()) {
  set_carried_by_another();
  if (carrier.context() != nullptr) drop_context();
}

TlsTransport::~TlsTransport() {
  handshake_over();
  TlsScratch::give_back(std::move(ciphertext_));
  // Otherwise OpenSSL takes a connection that was cut off for a reason not to resume its session.
  if (secured()) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

void TlsTransport::make_ssl() {
  keys_ = shared_->keys();
  ssl_.reset(SSL_new(keys_->first()));
  if (ssl_ == nullptr) throw std::bad_alloc();
  SSL_set_app_data(ssl_.get(), this);
  BIO* const bio = Bio::make(*this);
  SSL_set_bio(ssl_.get(), bio, bio);
  if (shared_->is_server()) {
    SSL_set_accept_state(ssl_.get());
    return;
  }
  SSL_set_connect_state(ssl_.get());
  const auto address = Address::parse(server_name_, 0);
  if (!address && !server_name_.empty()) {
    // What SSL_set_tlsext_host_name does, without its old-style cast.
    SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(server_name_.c_str()));
  }
  if (shared_->verifies_server()) {
    X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl_.get());
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    // By its octets: certificates know no scopes.
    const bool set = address ? X509_VERIFY_PARAM_set1_ip(
                                   wanted, address->octets().data(),
                                   address->family() == Address::Family::ipv4 ? 4U : 16U) == 1
                             : SSL_set1_host(ssl_.get(), server_name_.c_str()) == 1;
    if (!set) {
      throw InvalidArgument("\"" + server_name_ +
                            "\" is no name that a server can have; give a host name.");
    }
  }
  if (!shared_->resumes()) return;
  if (const auto session = keys_->sessions().take(session_name())) {
    SSL_set_session(ssl_.get(), session.get());
  }
}

std::string TlsTransport::session_name() const {
  return server_name_ + ":" + std::to_string(peer_.port()) + peer_.path();
}

// Runs one operation of OpenSSL, and hands on what it wrote.
template <class F>
TlsTransport::Step TlsTransport::run(F&& operation) {
  ERR_clear_error();
  const int result = operation();
  auto step = Step::done;
  if (result <= 0) {
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        step = Step::wants_input;
        break;
      case SSL_ERROR_ZERO_RETURN:
        step = Step::peer_ended;
        break;
      default:
        step = Step::failed;
        error_ = ERR_peek_error();
        ERR_clear_error();
        break;
    }
  }
  return step;
}

void TlsTransport::flush_ciphertext() {
  if (ciphertext_ == nullptr) return;
  // Taken out: over a carrier that talks TLS too, this nests.
  auto memory = std::move(ciphertext_);
  const BytesView data(memory.get(), std::exchange(ciphertext_size_, 0));
  if (!carrier_gone_) carrier_.write(data);
  TlsScratch::give_back(std::move(memory));
}

int TlsTransport::note_verification(int good, X509_STORE_CTX* verification) {
  if (good == 1) return 1;
  const auto* const ssl = static_cast<SSL*>(
      X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE) return 1;
  auto* const self = static_cast<TlsTransport*>(SSL_get_app_data(ssl));
  try {
    self->distrust_ = std::make_unique<TlsDistrust>(distrust_of(*verification));
  } catch (...) {
    // Without memory for the reason it is refused without one.
    return 0;
  }
  return 0;
}

int TlsTransport::note_session(SSL* ssl, SSL_SESSION* session) {
  auto* const self = static_cast<TlsTransport*>(SSL_get_app_data(ssl));
  try {
    SSL_SESSION_up_ref(session);
    self->keys_->sessions().put(self->session_name(), SessionHandle(session));
  } catch (...) {
    // The next handshake is a whole one.
    return 0;
  }
  return 0;
}

Failure TlsTransport::failure() const {
  std::string own;
  if (X509* const certificate = SSL_get_certificate(ssl_.get())) {
    own = name_text(X509_get_subject_name(certificate));
  }
  return failure_of({peer_, server_name_, shared_->is_server(), phase_ != Phase::secured,
                     distrust_.get(), std::move(own)},
                    error_);
}

const TlsInfo* TlsTransport::tls() const noexcept {
  if (info_ != nullptr || phase_ != Phase::secured) return info_.get();
  try {
    auto info = std::make_unique<TlsInfo>();
    const SSL* const ssl = ssl_.get();
    info->version = SSL_get_version(ssl);
    info->cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl));
    const unsigned char* alpn = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl, &alpn, &size);
    if (size > 0) info->alpn.assign(reinterpret_cast<const char*>(alpn), size);
    if (const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) {
      info->server_name = name;
    }
    info->resumed = SSL_session_reused(ssl) == 1;
    if (X509* const certificate = SSL_get0_peer_certificate(ssl)) {
      info->peer_certificate = detail::describe(certificate);
      info->verified =
          SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && SSL_get_verify_result(ssl) == X509_V_OK;
    }
    info_ = std::move(info);
  } catch (...) {
    // Without memory nobody is told; the next who asks may be.
    return nullptr;
  }
  return info_.get();
}

// ---- the handshake

void TlsTransport::begin(HandshakeEnded ended) {
  ended_ = std::move(ended);
  if (!shared_->begin_handshake()) {
    fail(
        Failure(TooManyHandshakes("As many TLS handshakes are under way as are allowed, so that "
                                  "of " +
                                      peer_.text() + " was refused; allow more, or try again.",
                                  peer_)));
    return;
  }
  phase_ = Phase::shaking_hands;
  try {
    make_ssl();
    timeout_ = clock().call_later(shared_->options().handshake_timeout, [weak = weak_from_this()] {
      const auto self = std::static_pointer_cast<TlsTransport>(weak.lock());
      if (self == nullptr) return;
      self->fail(Failure(HandshakeTimeout("The TLS handshake with " + self->peer_.text() +
                                              " was not done in time; check that the peer talks "
                                              "TLS, or allow more time.",
                                          self->peer_)));
    });
    if (!shared_->is_server()) shake_hands();
  } catch (...) {
    fail(Failure::current());
  }
}

void TlsTransport::begin_behind(std::shared_ptr<Protocol> protocol) {
  behind_ = std::move(protocol);
  process_later();
}

void TlsTransport::shake_hands() {
  const auto step = run([this] { return SSL_do_handshake(ssl_.get()); });
  // The end of the handshake leaves together with what the protocol writes at once.
  if (step == Step::done) return handshake_done();
  flush_ciphertext();
  if (step != Step::wants_input) fail(failure());
}

void TlsTransport::handshake_done() {
  handshake_over();
  phase_ = Phase::secured;
  tell_handshake(nullptr);
  send_now();
  if (end_waits_) say_goodbye();
}

// Whichever way it went, it is not under way any more.
void TlsTransport::handshake_over() noexcept {
  if (phase_ != Phase::shaking_hands) return;
  phase_ = Phase::failed;
  timeout_.cancel_if_active();
  shared_->end_handshake();
}

void TlsTransport::tell_handshake(const Failure* failure) {
  if (!ended_) return;
  auto ended = std::exchange(ended_, nullptr);
  clock().turn().enter_logged("What was told of a TLS handshake threw",
                              [&] { ended(*this, failure); });
}

// There is no TLS with this peer, or no more. What it must be told is with the carrier already.
void TlsTransport::fail(const Failure& reason) {
  const auto self = shared_from_this();
  handshake_over();
  closes_politely_ = true;
  broken(reason);
  tell_handshake(&reason);
}

// ---- receiving

bool TlsTransport::wants_input() const noexcept {
  return phase_ == Phase::shaking_hands || (reading_wanted() && !answers_pile_up());
}

// Only a carrier that has said that it is full will say that there is room again.
bool TlsTransport::answers_pile_up() const noexcept {
  return secured() && carrier_full_ && !carrier_gone_ &&
         carrier_.write_buffer_size() > too_many_answers;
}

bool TlsTransport::holds_input() const noexcept {
  return !held_.empty() || behind_ != nullptr || (secured() && SSL_pending(ssl_.get()) > 0);
}

void TlsTransport::hold_carrier(bool hold) {
  if (carrier_gone_ || std::exchange(holds_carrier_, hold) == hold) return;
  hold ? carrier_.pause_producing() : carrier_.resume_producing();
}

void TlsTransport::reading_changed() {
  // What reads now asks by itself before it goes on.
  if (in_input_ || carrier_gone_) return;
  if (wants_input() && holds_input()) {
    process_later();
  } else {
    hold_carrier(!wants_input());
  }
}

// Not inside the call that resumes.
void TlsTransport::process_later() {
  if (process_call_.active()) return;
  process_call_ = clock().call_later(Duration::zero(), [weak = weak_from_this()] {
    const auto self = std::static_pointer_cast<TlsTransport>(weak.lock());
    if (self == nullptr) return;
    self->take_undelivered();
    self->input_ = self->held_;
    self->process_input();
  });
}

void TlsTransport::take_undelivered() {
  if (behind_ == nullptr) return;
  held_.insert(0, std::exchange(behind_, nullptr)->take_undelivered());
}

void TlsTransport::carrier_received(BytesView data) {
  take_undelivered();
  if (held_.empty()) {
    input_ = data;
  } else {
    held_ += data.text();
    input_ = held_;
  }
  process_input();
}

void TlsTransport::process_input() {
  in_input_ = true;
  try {
    if (phase_ == Phase::shaking_hands && !input_.empty()) shake_hands();
    if (secured()) read_records();
    flush_ciphertext();
    keep_rest();
  } catch (...) {
    in_input_ = false;
    input_ = {};
    fail(Failure::current());
    return;
  }
  in_input_ = false;
  hold_carrier(!wants_input());
}

void TlsTransport::keep_rest() {
  const bool over = phase_ == Phase::failed || !connected() || peer_ended_;
  const auto rest = over ? BytesView() : std::exchange(input_, {});
  input_ = {};
  if (rest.empty()) {
    held_ = std::string();
  } else if (held_.empty()) {
    held_.assign(rest.data(), rest.size());
  } else {
    held_.erase(0, held_.size() - rest.size());
  }
}

void TlsTransport::read_records() {
  auto step = Step::done;
  while (step == Step::done && wants_input() && !peer_ended_) {
    step = lends_buffer() ? read_in_place() : read_to_scratch();
  }
  if (step == Step::peer_ended) {
    peer_ended();
  } else if (step == Step::failed && connected()) {
    fail(failure());
  }
}

TlsTransport::Step TlsTransport::read_in_place() {
  const auto room = borrow(std::max(input_.size(), max_record));
  if (room.empty()) return Step::wants_input;
  std::size_t count = 0;
  const auto step = run([&] { return SSL_read_ex(ssl_.get(), room.data(), room.size(), &count); });
  if (step == Step::done) received_in_place(count);
  flush_ciphertext();
  return step;
}

// Many small records are one delivery.
TlsTransport::Step TlsTransport::read_to_scratch() {
  TlsScratch scratch;
  std::size_t filled = 0;
  auto step = Step::done;
  while (step == Step::done && TlsScratch::size - filled >= max_record) {
    std::size_t count = 0;
    step = run([&] {
      return SSL_read_ex(ssl_.get(), scratch.data() + filled, TlsScratch::size - filled, &count);
    });
    if (step == Step::done) filled += count;
  }
  if (filled > 0) received({scratch.data(), filled});
  flush_ciphertext();
  return step;
}

void TlsTransport::peer_ended() {
  if (std::exchange(peer_ended_, true)) return;
  if (state() == StreamState::closing_tls) {
    if (!carrier_gone_) lose_carrier();
  } else {
    ended();
  }
}

void TlsTransport::carrier_ended() {
  take_undelivered();
  if (!held_.empty() && wants_input()) {
    input_ = held_;
    process_input();
  }
  if (phase_ == Phase::shaking_hands) {
    fail(Failure(TlsError("The peer " + peer_.text() +
                              " closed the connection during the TLS handshake; check that it "
                              "talks TLS, and its log.",
                          peer_)));
  } else if (secured() && !peer_ended_) {
    // While we close, nobody wants what might be missing.
    if (closing()) return peer_ended();
    peer_ended_ = true;
    broken(Failure(TlsTruncated("The peer " + peer_.text() +
                                    " ended the connection without a goodbye (close_notify): what "
                                    "came may be cut short, so do not rely on it.",
                                peer_)));
  }
}

// ---- sending

StreamTransport::SendResult TlsTransport::try_send(std::span<const BytesView> pieces) noexcept {
  // Several large writes in one turn must not fill the carrier behind its back.
  if (!secured() || carrier_full_ || carrier_gone_ || send_call_.active()) return {0, true, {}};
  try {
    return encrypt(pieces);
  } catch (...) {
    return {0, false, std::make_error_code(std::errc::not_enough_memory)};
  }
}

StreamTransport::SendResult TlsTransport::encrypt(std::span<const BytesView> pieces) {
  std::size_t total = 0;
  for (const auto piece : pieces)
    total += piece.size();
  std::size_t taken = 0;
  while (taken < total) {
    const auto count = encrypt_batch(pieces, taken);
    flush_ciphertext();
    if (count == 0) return {0, false, std::make_error_code(std::errc::protocol_error)};
    taken += count;
    if (carrier_.write_buffer_size() <= carrier_takes) continue;
    // Most carriers now say that they are full. One that is not after all, when the turn is over,
    // would never say that there is room again.
    if (!send_call_.active()) {
      send_call_ = clock().call_later(Duration::zero(), [weak = weak_from_this()] {
        const auto self = std::static_pointer_cast<TlsTransport>(weak.lock());
        if (self != nullptr && !self->carrier_full_) self->send_now();
      });
    }
    return {taken, true, {}};
  }
  return {taken, false, {}};
}

// Makes records of what comes behind the first `skip` bytes, as full as they can be; says how much
// it took.
std::size_t TlsTransport::encrypt_batch(std::span<const BytesView> pieces, std::size_t skip) {
  std::optional<TlsScratch> gathered;
  std::size_t filled = 0;
  std::size_t taken = 0;
  const auto encrypt_bytes = [&](BytesView data) {
    std::size_t count = 0;
    const auto step =
        run([&] { return SSL_write_ex(ssl_.get(), data.data(), data.size(), &count); });
    if (step == Step::done) taken += data.size();
    return step == Step::done;
  };
  for (std::size_t i = 0; i < pieces.size() && taken + filled < batch; ++i) {
    auto rest = pieces[i].from(skip);
    skip -= std::min(skip, pieces[i].size());
    const bool last = i + 1 == pieces.size();
    while (!rest.empty() && taken + filled < batch) {
      if (filled == 0 && (last || rest.size() >= max_record)) {
        // Straight from where it lies, in whole records unless it is the end.
        auto whole = rest.first(batch - taken);
        if (!last) whole = whole.first(whole.size() / max_record * max_record);
        if (whole.empty()) return taken;
        if (!encrypt_bytes(whole)) return 0;
        rest = rest.from(whole.size());
        continue;
      }
      if (!gathered) gathered.emplace();
      const auto part = rest.first(max_record - filled);
      std::memcpy(gathered->data() + filled, part.data(), part.size());
      filled += part.size();
      rest = rest.from(part.size());
      if (filled < max_record) continue;
      if (!encrypt_bytes({gathered->data(), std::exchange(filled, 0)})) return 0;
    }
  }
  if (filled > 0 && !encrypt_bytes({gathered->data(), filled})) return 0;
  return taken;
}

void TlsTransport::send_later(std::span<const BytesView>) {
  send_waits_ = true;
}

void TlsTransport::send_now() {
  if (std::exchange(send_waits_, false)) sent(0);
}

void TlsTransport::carrier_full(bool full) {
  carrier_full_ = full;
  if (full) {
    send_call_.cancel_if_active();
  } else {
    send_now();
  }
  if (secured() && connected()) reading_changed();
}

void TlsTransport::send_end() noexcept {
  // A goodbye is a record of the session, which is not there before the handshake is done.
  if (!secured()) {
    end_waits_ = true;
  } else {
    say_goodbye();
  }
}

void TlsTransport::say_goodbye() noexcept {
  if (!secured() || std::exchange(said_goodbye_, true)) return;
  try {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    flush_ciphertext();
  } catch (...) {
    // The peer sees no goodbye: that is what it is there for.
    if (!carrier_gone_) carrier_.abort_connection(Failure::current());
  }
}

// ---- closing

bool TlsTransport::begin_goodbye() noexcept {
  if (carrier_gone_) return false;
  // Who half-closed before has waited for the peer as long as it wanted to.
  const bool waits = secured() && waits_for_peer_ && !said_goodbye_ && !peer_ended_;
  say_goodbye();
  if (!waits) lose_carrier();
  return true;
}

// We wait for nothing more, so whoever carries us need not either.
void TlsTransport::lose_carrier() {
  if (auto* const below = dynamic_cast<Lingering*>(&carrier_)) below->linger_less(peer_ended_);
  carrier_.lose_connection();
}

void TlsTransport::close_in_order() noexcept {
  stop_calls();
  if (!carrier_gone_) carrier_.lose_connection();
}

void TlsTransport::close_abruptly() noexcept {
  stop_calls();
  if (!carrier_gone_) {
    closes_politely_ ? carrier_.lose_connection(alert_time) : carrier_.abort_connection();
  }
  if (std::exchange(send_waits_, false)) sent(0);
}

HeldContext* TlsTransport::context() noexcept {
  auto* const shared = carrier_gone_ ? nullptr : carrier_.context();
  return shared != nullptr ? shared : StreamTransport::context();
}

void TlsTransport::carrier_lost(const Failure& reason) {
  const auto self = shared_from_this();
  keep_context();
  carrier_gone_ = true;
  handshake_over();
  stop_calls();
  held_ = std::string();
  // It holds us, and was not asked for what it kept.
  behind_ = nullptr;
  state() == StreamState::closing_tls ? goodbye_done() : broken(reason);
  tell_handshake(&reason);
}

Failure TlsTransport::failure_from(std::error_code error) const {
  if (error == std::errc::protocol_error) return failure();
  return Failure(ConnectionLost(
      "The connection with " + peer_.text() + " broke: " + error.message() + ".", peer_, error));
}

void TlsTransport::stop_calls() noexcept {
  timeout_.cancel_if_active();
  process_call_.cancel_if_active();
  send_call_.cancel_if_active();
}

}  // namespace weft::detail
