#include "reactor_stats.hpp"

namespace weft {

namespace {

class PrometheusText {
 public:
  explicit PrometheusText(std::string_view reactor) {
    for (const char c : reactor) {
      if (c == '\\' || c == '"') label_ += '\\';
      c == '\n' ? label_ += "\\n" : label_ += c;
    }
  }
  void counter(std::string_view name, std::string_view help, std::uint64_t value) {
    add(name, help, "counter", value);
  }
  void gauge(std::string_view name, std::string_view help, std::uint64_t value) {
    add(name, help, "gauge", value);
  }
  std::string take() { return std::move(text_); }

 private:
  void add(std::string_view name, std::string_view help, std::string_view type,
           std::uint64_t value) {
    const std::string full = "weft_reactor_" + std::string(name);
    text_ += "# HELP " + full + ' ' + std::string(help) + '\n';
    text_ += "# TYPE " + full + ' ' + std::string(type) + '\n';
    text_ += full + "{reactor=\"" + label_ + "\"} " + std::to_string(value) + '\n';
  }

  std::string label_;
  std::string text_;
};

}  // namespace

std::string prometheus_text(const ReactorStats& stats, std::string_view reactor) {
  const LoopCounts& counts = stats.counts;
  PrometheusText text(reactor);
  text.counter("rounds_total", "Times that the loop came round.", counts.rounds);
  text.counter("callbacks_total", "Times that user code was entered.", counts.callbacks);
  text.counter("calls_total", "Scheduled calls that were made.", counts.calls);
  text.counter("thread_calls_total", "Calls from other threads that were made.",
               counts.thread_calls);
  text.counter("connections_total", "Connections that were given a protocol.",
               counts.connections_made);
  text.counter("received_bytes_total", "Bytes received by connections.", counts.bytes_received);
  text.counter("sent_bytes_total", "Bytes sent by connections.", counts.bytes_sent);
  text.gauge("connections", "Connections that are open.", stats.connections);
  text.gauge("pending_calls", "Calls that are scheduled.", stats.pending_calls);
  return text.take();
}

}  // namespace weft
