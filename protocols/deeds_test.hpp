// What the tests of receivers let a callback do to its own connection.
#pragma once

#include <stdexcept>

namespace weft {

enum class Deed { pause, lose, abort, throws };

template <class Receiver>
void commit(Deed deed, Receiver& receiver) {
  if (deed == Deed::pause) receiver.pause_producing();
  if (deed == Deed::lose) receiver.way().lose_connection();
  if (deed == Deed::abort) receiver.way().abort_connection();
  if (deed == Deed::throws) throw std::runtime_error("deed");
}

}  // namespace weft
