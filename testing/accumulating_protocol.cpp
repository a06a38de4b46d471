#include "accumulating_protocol.hpp"

namespace weft::testing {

void AccumulatingProtocol::connection_made() {
  events.emplace_back("made");
  if (on_made) on_made(*this);
}

void AccumulatingProtocol::data_received(BytesView bytes) {
  if (events.empty() || events.back() != "data") events.emplace_back("data");
  data += bytes.text();
  if (on_data) on_data(*this, bytes);
}

void AccumulatingProtocol::eof_received() {
  events.emplace_back("eof");
  on_eof ? on_eof(*this) : Protocol::eof_received();
}

void AccumulatingProtocol::pause_writing() {
  events.emplace_back("pause");
  if (on_pause) on_pause(*this);
}

void AccumulatingProtocol::resume_writing() {
  events.emplace_back("resume");
  if (on_resume) on_resume(*this);
}

void AccumulatingProtocol::connection_lost(const Failure& failure) {
  events.emplace_back("lost");
  reason = failure;
  if (on_lost) on_lost(*this);
}

}  // namespace weft::testing
