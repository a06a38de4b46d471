#include "stream_table.hpp"

#include "stream_carrier_test.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

using S = StreamState;
using E = StreamEvent;

class StreamCells : public LoggedStream {
 protected:
  void bring_to(S state) {
    switch (state) {
      case S::open:
        break;
      case S::read_closed:
        carrier_->ended();
        break;
      case S::write_closed:
        carrier_->lose_write_connection();
        break;
      case S::flushing:
        carrier_->blocked = true;
        carrier_->write("x");
        carrier_->lose_connection();
        break;
      case S::closing_tls:
        carrier_->says_goodbye = true;
        carrier_->lose_connection();
        break;
      case S::aborted:
        carrier_->abort_connection();
        break;
      case S::closed:
        carrier_->lose_connection();
        break;
    }
    come_round();
    ASSERT_EQ(carrier_->state(), state);
    heard();
  }

  void happen(E event) {
    switch (event) {
      case E::write:
        return carrier_->write("y");
      case E::lose:
        return carrier_->lose_connection();
      case E::abort:
        return carrier_->abort_connection();
      case E::lose_write:
        return carrier_->lose_write_connection();
      case E::pause:
        carrier_->pause_producing();
        return carrier_->received("d");
      case E::resume:
        carrier_->pause_producing();
        carrier_->received("d");
        return carrier_->resume_producing();
      case E::register_producer:
        return carrier_->register_producer(std::make_shared<LoggingProducer>(log_),
                                           Streaming::pull);
      case E::unregister_producer:
        return carrier_->unregister_producer();
      case E::start_tls:
        return;
      case E::data:
        return carrier_->received("d");
      case E::end_of_stream:
        return carrier_->ended();
      case E::error:
        return carrier_->broken(Failure(ConnectionReset("The peer reset it.", Address())));
      case E::timer:
        return clock_.advance(StreamTransport::default_linger);
      case E::drained:
        carrier_->blocked = false;
        if (carrier_->state() == S::closing_tls) return carrier_->goodbye_done();
        return carrier_->sent(carrier_->write_buffer_size());
    }
  }
};

struct ExpectedCell {
  S state;
  E event;
  S next;
  std::string heard;
};

// The whole table once more, as seen from outside.
const ExpectedCell expected_cells[] = {
    {S::open, E::write, S::open, "sent(y)"},
    {S::open, E::lose, S::closed, "close lost(ConnectionDone)"},
    {S::open, E::abort, S::aborted, "reset lost(ConnectionAborted)"},
    {S::open, E::lose_write, S::write_closed, "end"},
    {S::open, E::pause, S::open, ""},
    {S::open, E::resume, S::open, "data(d)"},
    {S::open, E::register_producer, S::open, "resume"},
    {S::open, E::unregister_producer, S::open, ""},
    {S::open, E::start_tls, S::open, ""},
    {S::open, E::data, S::open, "data(d)"},
    {S::open, E::end_of_stream, S::read_closed, "eof"},
    {S::open, E::error, S::aborted, "reset lost(ConnectionReset)"},
    {S::open, E::timer, S::open, ""},
    {S::open, E::drained, S::open, ""},

    {S::read_closed, E::write, S::read_closed, "sent(y)"},
    {S::read_closed, E::lose, S::closed, "close lost(ConnectionDone)"},
    {S::read_closed, E::abort, S::aborted, "reset lost(ConnectionAborted)"},
    {S::read_closed, E::lose_write, S::closed, "close lost(ConnectionDone)"},
    {S::read_closed, E::pause, S::read_closed, ""},
    {S::read_closed, E::resume, S::read_closed, ""},
    {S::read_closed, E::register_producer, S::read_closed, "resume"},
    {S::read_closed, E::unregister_producer, S::read_closed, ""},
    {S::read_closed, E::start_tls, S::read_closed, ""},
    {S::read_closed, E::data, S::read_closed, ""},
    {S::read_closed, E::end_of_stream, S::read_closed, ""},
    {S::read_closed, E::error, S::aborted, "reset lost(ConnectionReset)"},
    {S::read_closed, E::timer, S::read_closed, ""},
    {S::read_closed, E::drained, S::read_closed, ""},

    {S::write_closed, E::write, S::write_closed, ""},
    {S::write_closed, E::lose, S::closed, "close lost(ConnectionDone)"},
    {S::write_closed, E::abort, S::aborted, "reset lost(ConnectionAborted)"},
    {S::write_closed, E::lose_write, S::write_closed, ""},
    {S::write_closed, E::pause, S::write_closed, ""},
    {S::write_closed, E::resume, S::write_closed, "data(d)"},
    {S::write_closed, E::register_producer, S::write_closed, "stop"},
    {S::write_closed, E::unregister_producer, S::write_closed, ""},
    {S::write_closed, E::start_tls, S::write_closed, ""},
    {S::write_closed, E::data, S::write_closed, "data(d)"},
    {S::write_closed, E::end_of_stream, S::closed, "eof close lost(ConnectionDone)"},
    {S::write_closed, E::error, S::aborted, "reset lost(ConnectionReset)"},
    {S::write_closed, E::timer, S::write_closed, ""},
    {S::write_closed, E::drained, S::write_closed, ""},

    {S::flushing, E::write, S::flushing, ""},
    {S::flushing, E::lose, S::flushing, ""},
    {S::flushing, E::abort, S::aborted, "reset lost(ConnectionAborted)"},
    {S::flushing, E::lose_write, S::flushing, ""},
    {S::flushing, E::pause, S::flushing, ""},
    {S::flushing, E::resume, S::flushing, ""},
    {S::flushing, E::register_producer, S::flushing, "stop"},
    {S::flushing, E::unregister_producer, S::flushing, ""},
    {S::flushing, E::start_tls, S::flushing, ""},
    {S::flushing, E::data, S::flushing, ""},
    {S::flushing, E::end_of_stream, S::flushing, ""},
    {S::flushing, E::error, S::aborted, "reset lost(ConnectionReset)"},
    {S::flushing, E::timer, S::aborted, "reset lost(LingerTimeout)"},
    {S::flushing, E::drained, S::closed, "close lost(ConnectionDone)"},

    {S::closing_tls, E::write, S::closing_tls, ""},
    {S::closing_tls, E::lose, S::closing_tls, ""},
    {S::closing_tls, E::abort, S::aborted, "reset lost(ConnectionAborted)"},
    {S::closing_tls, E::lose_write, S::closing_tls, ""},
    {S::closing_tls, E::pause, S::closing_tls, ""},
    {S::closing_tls, E::resume, S::closing_tls, ""},
    {S::closing_tls, E::register_producer, S::closing_tls, "stop"},
    {S::closing_tls, E::unregister_producer, S::closing_tls, ""},
    {S::closing_tls, E::start_tls, S::closing_tls, ""},
    {S::closing_tls, E::data, S::closing_tls, ""},
    {S::closing_tls, E::end_of_stream, S::closed, "close lost(ConnectionDone)"},
    {S::closing_tls, E::error, S::closed, "close lost(ConnectionDone)"},
    {S::closing_tls, E::timer, S::aborted, "reset lost(LingerTimeout)"},
    {S::closing_tls, E::drained, S::closed, "close lost(ConnectionDone)"},
};

class EachStreamCell : public StreamCells, public ::testing::WithParamInterface<ExpectedCell> {};

TEST_P(EachStreamCell, DoesWhatTheTableSays) {
  const auto& expected = GetParam();
  bring_to(expected.state);
  happen(expected.event);
  come_round();
  EXPECT_EQ(carrier_->state(), expected.next) << to_string(carrier_->state());
  EXPECT_EQ(heard(), expected.heard);
}

std::string cell_name(const ::testing::TestParamInfo<ExpectedCell>& cell) {
  return std::string(to_string(cell.param.state)) + "_" + std::string(to_string(cell.param.event));
}

INSTANTIATE_TEST_SUITE_P(StreamTable, EachStreamCell, ::testing::ValuesIn(expected_cells),
                         cell_name);

// In the two final states nothing is heard, but for the producer that comes too late.
class EachFinalCell : public StreamCells,
                      public ::testing::WithParamInterface<std::pair<S, int>> {};

TEST_P(EachFinalCell, IsSilent) {
  const auto [state, event] = GetParam();
  bring_to(state);
  happen(static_cast<E>(event));
  come_round();
  EXPECT_EQ(carrier_->state(), state);
  EXPECT_EQ(heard(), static_cast<E>(event) == E::register_producer ? "stop" : "");
}

std::vector<std::pair<S, int>> final_cells() {
  std::vector<std::pair<S, int>> cells;
  for (const S state : {S::aborted, S::closed}) {
    for (std::size_t event = 0; event < stream_event_count; ++event) {
      cells.emplace_back(state, static_cast<int>(event));
    }
  }
  return cells;
}

INSTANTIATE_TEST_SUITE_P(StreamTable, EachFinalCell, ::testing::ValuesIn(final_cells()),
                         [](const auto& cell) {
                           return std::string(to_string(cell.param.first)) + "_" +
                                  std::string(to_string(static_cast<E>(cell.param.second)));
                         });

TEST(StreamTable, LetsTlsStartOnlyWhileBothDirectionsAreOpen) {
  for (std::size_t i = 0; i < stream_state_count; ++i) {
    const auto state = static_cast<S>(i);
    const auto expected = state == S::open ? StreamAction::upgrade : StreamAction::refuse_upgrade;
    EXPECT_EQ(stream_cell(state, E::start_tls).action, expected) << to_string(state);
    EXPECT_EQ(stream_cell(state, E::start_tls).next, state);
  }
}

TEST(StreamTable, IsCoveredWhole) {
  EXPECT_EQ(std::size(expected_cells) + final_cells().size(),
            stream_state_count * stream_event_count);
  for (const auto& cell : expected_cells) {
    const auto count = std::count_if(
        std::begin(expected_cells), std::end(expected_cells),
        [&](const auto& other) { return other.state == cell.state && other.event == cell.event; });
    EXPECT_EQ(count, 1) << to_string(cell.state) << " " << to_string(cell.event);
  }
}

}  // namespace
}  // namespace weft
