// What the programs here share: their options, the reactor they run on, and how they report.
#pragma once

#include <weft/weft.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

/// A program with --reactor and --help, and what its role needs: --host and --port, --listen or
/// --connect.
class Example {
 public:
  enum class Role { server, client, datagrams, pool, tool };
  Example(Role role, const std::string& description, weft::Port default_port);
  ~Example();

  /// Further options, which `run` reads into what they are given.
  void add_flag(const std::string& name, bool& given, const std::string& help);
  void add_option(const std::string& name, std::string& value, const std::string& help);
  void add_option(const std::string& name, std::vector<std::string>& values,
                  const std::string& help);
  void add_option(const std::string& name, weft::Port& port, const std::string& help);
  void add_count(const std::string& name, std::size_t& count, const std::string& help);

  const std::string& host() const { return host_; }
  weft::Port port() const { return port_; }
  weft::Reactor& reactor() { return *reactor_; }

  /// Reads the options, calls `start` and runs the reactor until it is stopped. The exit status.
  int run(int argc, char** argv, const std::function<void()>& start);

  /// The same on a pool of so many reactors, which `start` runs.
  int run_pool(int argc, char** argv, const std::size_t& threads,
               const std::function<void(weft::ReactorPool&)>& start);

  /// Listens at each --listen, or at --host and --port, and says where. Gives the first port; the
  /// program ends when none of them can bring another connection.
  weft::ListeningPort listen(const std::shared_ptr<weft::Factory>& factory);

  /// What --connect says, or an endpoint of that kind with --host and --port.
  [[nodiscard]] std::string target(const std::string& kind) const;

  /// Connects to --connect, or to --host and --port, and ends the program when that fails.
  void connect(std::shared_ptr<weft::Factory> factory);
  void connect(std::string_view endpoint, std::shared_ptr<weft::Factory> factory);

  /// Stops the reactor, and says why unless that goes without saying. The first exit status counts.
  void finish(int status, std::string_view why = "");

 private:
  std::optional<int> parse(int argc, char** argv);

  std::unique_ptr<CLI::App> app_;
  std::string host_ = "127.0.0.1";
  std::vector<std::string> listen_to_;
  std::string connect_to_;
  std::string reactor_name_;
  weft::Port port_;
  std::optional<int> status_;
  std::unique_ptr<weft::Reactor> reactor_;
};

/// Prints one line at once, also into a pipe.
void say(std::string_view line);

/// For the catch (...) of a main: says what was thrown; the exit status.
int report_exception() noexcept;
