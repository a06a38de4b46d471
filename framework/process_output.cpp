#include "process_output.hpp"

#include "reactor.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace weft {

namespace {

// Enough for the last words of most programs, and not for a novel in an error's message.
constexpr std::size_t max_last_words = 1000;

enum class Keeps : bool { nothing, output };

class Gatherer final : public ProcessProtocol {
 public:
  Gatherer(const ProcessOptions& options, const OutputOptions& gathering, Keeps keeps)
      : program_(options.program), gathering_(gathering), keeps_(keeps) {
    const auto input = options.descriptors.find(0);
    const bool piped = input != options.descriptors.end() &&
                       (input->second.kind() == ChildDescriptor::Kind::to_child ||
                        input->second.kind() == ChildDescriptor::Kind::both_ways);
    has_input_ = piped || options.terminal.has_value();
    ends_in_a_line_ =
        options.terminal && !gathering.input.empty() && gathering.input.back() != '\n';
    if (!has_input_ && !gathering.input.empty()) {
      throw InvalidArgument("There is input for " + program_ +
                            ", but its standard input is no pipe; make descriptor 0 one.");
    }
  }

  Deferred<ProcessResult> start(Reactor& reactor, const ProcessOptions& options) {
    promise_.emplace([this] { cancelled(); });
    auto result = promise_->deferred();
    // The reactor keeps it until `process_ended`.
    child_ = reactor.spawn_process(shared_from_this(), options);
    return result;
  }

  void connection_made() override {
    if (!has_input_) return;
    if (!gathering_.input.empty()) process().write(Bytes(std::move(gathering_.input)));
    process().close_stdin();
    // On a terminal the first only hands over the line that was begun.
    if (ends_in_a_line_) process().close_stdin();
  }
  void out_received(BytesView data) override { keep(result_.out, data, "standard output"); }
  void err_received(BytesView data) override { keep(result_.err, data, "standard error"); }
  void process_ended(const ProcessStatus& status) override {
    result_.status = status;
    if (promise_ && !promise_->fired()) promise_->callback(std::move(result_));
  }

 private:
  void keep(std::string& kept, BytesView data, const char* where) {
    if (keeps_ == Keeps::nothing || over_) return;
    if (data.size() <= gathering_.max_output_bytes - kept.size()) {
      kept += data.text();
      return;
    }
    drop();
    process().terminate();
    promise_->errback(make_failure<OutputTooLong>(
        "The program " + program_ + " wrote more than " +
        std::to_string(gathering_.max_output_bytes) + " bytes to its " + where +
        " and was ended; raise max_output_bytes, or read it with a ProcessProtocol."));
  }
  void cancelled() {
    drop();
    if (child_ != nullptr) child_->terminate();
  }
  void drop() noexcept {
    over_ = true;
    result_.out = std::string();
    result_.err = std::string();
  }

  std::string program_;
  OutputOptions gathering_;
  Keeps keeps_;
  bool has_input_ = false;
  // Its input is typed on a terminal, and ends in the middle of a line.
  bool ends_in_a_line_ = false;
  bool over_ = false;
  std::shared_ptr<Process> child_;
  ProcessResult result_{{}, {}, ProcessStatus::unknown()};
  std::optional<Promise<ProcessResult>> promise_;
};

Deferred<ProcessResult> gather(Reactor& reactor, const ProcessOptions& options,
                               const OutputOptions& gathering, Keeps keeps) {
  try {
    return std::make_shared<Gatherer>(options, gathering, keeps)->start(reactor, options);
  } catch (...) {
    return fail<ProcessResult>(Failure::current());
  }
}

}  // namespace

Deferred<ProcessResult> get_process_result(Reactor& reactor, const ProcessOptions& options,
                                           const OutputOptions& gathering) {
  return gather(reactor, options, gathering, Keeps::output);
}

Deferred<std::string> get_process_output(Reactor& reactor, const ProcessOptions& options,
                                         const OutputOptions& gathering) {
  return gather(reactor, options, gathering, Keeps::output)
      .add_callback([program = options.program](ProcessResult result) {
        if (result.status.succeeded()) return std::move(result.out);
        const std::string_view said = result.err;
        const auto from = said.size() - std::min(said.size(), max_last_words);
        throw ProcessFailed(program, result.status, said.substr(from));
      });
}

Deferred<int> get_process_value(Reactor& reactor, const ProcessOptions& options,
                                const OutputOptions& gathering) {
  return gather(reactor, options, gathering, Keeps::nothing)
      .add_callback([program = options.program](const ProcessResult& result) {
        if (const auto code = result.status.exit_code()) return *code;
        throw ProcessFailed(program, result.status);
      });
}

}  // namespace weft
