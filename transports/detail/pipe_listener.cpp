#include "../../framework/error.hpp"
#include "../../framework/listener.hpp"
#include "../../framework/logging.hpp"
#include "handle_transport.hpp"
#include "pipe_carrier.hpp"
#include "pipe_pair.hpp"

#include <boost/asio/windows/overlapped_ptr.hpp>

#include <sddl.h>
#include <utility>

namespace weft::detail::iocp {

namespace {

std::error_code last_error() noexcept {
  return {static_cast<int>(::GetLastError()), std::system_category()};
}

// The system, administrators and the owner. What Windows allows by default lets everybody read what
// the server says first.
constexpr auto usual_definition = "D:(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;OW)";

// What a definition in words allows.
class PipeSecurity {
 public:
  PipeSecurity() noexcept = default;
  explicit PipeSecurity(const std::string& definition) {
    if (::ConvertStringSecurityDescriptorToSecurityDescriptorW(
            to_wide(definition).c_str(), SDDL_REVISION_1, &descriptor_, nullptr) == 0) {
      const auto error = last_error();
      throw InvalidArgument(
          "\"" + definition + "\" is no security descriptor; write one such as D:(A;;GA;;;OW).", {},
          error);
    }
  }
  PipeSecurity(PipeSecurity&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  PipeSecurity& operator=(PipeSecurity&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  PipeSecurity(const PipeSecurity&) = delete;
  PipeSecurity& operator=(const PipeSecurity&) = delete;
  ~PipeSecurity() { ::LocalFree(descriptor_); }

  [[nodiscard]] SECURITY_ATTRIBUTES attributes() const noexcept {
    SECURITY_ATTRIBUTES attributes{};
    attributes.nLength = sizeof attributes;
    attributes.lpSecurityDescriptor = descriptor_;
    return attributes;
  }

 private:
  PSECURITY_DESCRIPTOR descriptor_ = nullptr;
};

// A port of which one instance waits for a client, while those that have one are connections.
class PipeListener final : public Listener {
 public:
  PipeListener(AsioLoop& loop, PipeName name, std::shared_ptr<Factory> factory)
      : Listener(loop.reactor, std::move(factory)),
        loop_(loop.shared_from_this()),
        name_(std::move(name)),
        instance_(loop.io) {}

  void open(const PipeListenOptions& options) {
    security_ = PipeSecurity(options.security.empty() ? usual_definition : options.security);
    remote_clients_ = options.remote_clients;
    check_unused();
    auto first = make_instance(FILE_FLAG_FIRST_PIPE_INSTANCE);
    if (!first.open()) refuse(last_error());
    instance_ = taken_by(*loop_, std::move(first));
    opened(name_.address());
    accept_again();
  }

 private:
  void close_port() noexcept override;
  void accept_again() noexcept override;

  void check_unused() const;
  [[noreturn]] void refuse(std::error_code error) const;
  [[nodiscard]] OwnedHandle make_instance(DWORD flags) const noexcept;
  void wait_for_client();
  void client_came(const ErrorCode& error);
  void take_client() noexcept;
  std::shared_ptr<PipeListener> self() {
    return std::static_pointer_cast<PipeListener>(Listener::shared_from_this());
  }

  std::shared_ptr<AsioLoop> loop_;
  PipeName name_;
  PipeSecurity security_;
  bool remote_clients_ = false;
  // The one that waits.
  StreamHandle instance_;
  // For a client, or with one for `accept_again`.
  bool under_way_ = false;
  bool one_waits_ = false;
};

[[noreturn]] void in_use(const Address& address, std::error_code error) {
  throw AddressInUse("Listening on " + address.text() +
                         " failed: another program has a pipe of that name; stop it, or take "
                         "another name.",
                     address, error);
}

// Windows refuses a second owner of a name by the flag for the first instance, and does not say
// that this is why; Wine does not know the flag. So it is asked before.
void PipeListener::check_unused() const {
  const bool waits = ::WaitNamedPipeW(name_.wide().c_str(), 1) != 0;
  if (waits || ::GetLastError() == ERROR_SEM_TIMEOUT) {
    in_use(name_.address(), {ERROR_PIPE_BUSY, std::system_category()});
  }
}

void PipeListener::refuse(std::error_code error) const {
  if (error.value() == ERROR_PIPE_BUSY) in_use(name_.address(), error);
  throw ListenError("Listening on " + name_.address().text() + " failed: " + error.message() +
                        "; if another program has a pipe of that name, take another.",
                    name_.address(), error);
}

OwnedHandle PipeListener::make_instance(DWORD flags) const noexcept {
  auto attributes = security_.attributes();
  const DWORD from_afar = remote_clients_ ? PIPE_ACCEPT_REMOTE_CLIENTS : PIPE_REJECT_REMOTE_CLIENTS;
  return OwnedHandle(::CreateNamedPipeW(
      name_.wide().c_str(), PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | flags,
      PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | from_afar, PIPE_UNLIMITED_INSTANCES,
      pipe_buffer_size, pipe_buffer_size, 0, &attributes));
}

void PipeListener::accept_again() noexcept {
  if (under_way_) return;
  if (std::exchange(one_waits_, false)) return take_client();
  try {
    if (!instance_.is_open()) {
      auto another = make_instance(0);
      if (!another.open()) {
        rest(last_error());
        return;
      }
      instance_ = taken_by(*loop_, std::move(another));
    }
    wait_for_client();
  } catch (...) {
    rest(std::make_error_code(std::errc::not_enough_memory));
  }
}

void PipeListener::wait_for_client() {
  net::windows::overlapped_ptr waiting(loop_->io,
                                       [self = self()](const ErrorCode& error, std::size_t) {
                                         const Turn::Scope scope(*self->turn());
                                         self->client_came(error);
                                       });
  under_way_ = true;
  const bool done = ::ConnectNamedPipe(instance_.native_handle(), waiting.get()) != 0;
  const DWORD code = done ? ERROR_IO_PENDING : ::GetLastError();
  if (code == ERROR_IO_PENDING) {
    waiting.release();
    return;
  }
  // It came before we waited, or has gone again.
  const int reason = code == ERROR_PIPE_CONNECTED ? 0 : static_cast<int>(code);
  waiting.complete({reason, boost::system::system_category()}, 0);
}

void PipeListener::client_came(const ErrorCode& error) {
  under_way_ = false;
  ErrorCode ignored;
  if (!listening()) {
    instance_.close(ignored);
    return;
  }
  if (error) {
    instance_.close(ignored);
    // A client that is gone already is nobody's loss. A paused port waits for the next one too: the
    // name is there for as long as one of its instances is.
    error.value() == ERROR_NO_DATA ? accept_again() : rest(to_std(error));
    return;
  }
  rested();
  if (!accepting()) {
    one_waits_ = true;
    return;
  }
  take_client();
}

void PipeListener::take_client() noexcept {
  std::shared_ptr<HandleTransport> transport;
  try {
    transport = std::make_shared<HandleTransport>(
        *loop_, std::exchange(instance_, StreamHandle(loop_->io)), address(), Address());
  } catch (...) {
    log_failure("listener", "A connection could not be taken", Failure::current());
  }
  // While the name has no instance that waits, clients would find the port busy.
  accept_again();
  if (transport != nullptr) accepted(transport);
}

void PipeListener::close_port() noexcept {
  ErrorCode ignored;
  if (!instance_.is_open()) return;
  instance_.cancel(ignored);
  instance_.close(ignored);
}

}  // namespace

ListeningPort listen_pipe(AsioLoop& loop, PipeName name, std::shared_ptr<Factory> factory,
                          const PipeListenOptions& options) {
  auto listener = std::make_shared<PipeListener>(loop, std::move(name), std::move(factory));
  listener->open(options);
  return ListeningPort(std::move(listener));
}

}  // namespace weft::detail::iocp
