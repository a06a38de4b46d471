// A short conversation that a server holds with itself over loopback, for its --self-test.
#pragma once

#include "example.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

/// What one client says, nothing if it is empty, and what all of them must hear then.
struct Exchange {
  std::string say;
  std::string answer;
};

/// Connects `clients` clients to `server`, has the first one say its lines, and ends the program:
/// with exit status 0 when every client heard every answer in time, else with 1.
void begin_self_test(Example& example, const weft::Address& server, std::size_t clients,
                     std::vector<Exchange> script);
