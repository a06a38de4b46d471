#include "example.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <utility>

namespace {

/// Reports what is thrown before main could catch it: the tables of the option library below are
/// made that early, and memory may be short.
const std::terminate_handler default_terminate =
    std::set_terminate([] { std::_Exit(report_exception()); });

}  // namespace

#include <CLI/CLI.hpp>

Example::Example(Role role, const std::string& description, weft::Port default_port)
    : app_(std::make_unique<CLI::App>(description)), port_(default_port) {
  std::set_terminate(default_terminate);
  std::string names;
  for (const auto& name : weft::reactor_names()) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  if (role != Role::tool) {
    add_option("--host", host_, "Address, numeric where it is listened on");
    add_option("--port", port_, "The port; 0 listens on a free one");
  }
  if (role == Role::server) {
    app_->add_option("--listen", listen_to_,
                     "Where to listen instead, such as tcp:8080, unix:/run/x or stdio:; may be "
                     "repeated");
  } else if (role == Role::client) {
    app_->add_option("--connect", connect_to_,
                     "Where to connect to instead, such as tcp:example.org:80 or unix:/run/x");
  }
  app_->add_option("--reactor", reactor_name_, "The event loop, one of: " + names);
}

Example::~Example() = default;

void Example::add_flag(const std::string& name, bool& given, const std::string& help) {
  app_->add_flag(name, given, help);
}

void Example::add_option(const std::string& name, std::string& value, const std::string& help) {
  app_->add_option(name, value, help)->capture_default_str();
}

void Example::add_option(const std::string& name, std::vector<std::string>& values,
                         const std::string& help) {
  app_->add_option(name, values, help);
}

void Example::add_option(const std::string& name, weft::Port& port, const std::string& help) {
  app_->add_option(name, port, help)->capture_default_str();
}

void Example::add_count(const std::string& name, std::size_t& count, const std::string& help) {
  app_->add_option(name, count, help)->capture_default_str()->check(CLI::PositiveNumber);
}

// The exit status, where that is all there is to do.
std::optional<int> Example::parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    return app_->exit(error);
  }
}

int Example::run(int argc, char** argv, const std::function<void()>& start) {
  if (const auto status = parse(argc, argv)) return *status;
  reactor_ = weft::make_reactor(reactor_name_);
  start();
  // What has ended already would wait for ever.
  if (!status_) reactor_->run();
  return status_.value_or(0);
}

int Example::run_pool(int argc, char** argv, const std::size_t& threads,
                      const std::function<void(weft::ReactorPool&)>& start) {
  if (const auto status = parse(argc, argv)) return *status;
  weft::ReactorPoolOptions options;
  options.reactor = reactor_name_;
  weft::ReactorPool pool(threads, options);
  start(pool);
  return 0;
}

weft::ListeningPort Example::listen(const std::shared_ptr<weft::Factory>& factory) {
  if (listen_to_.empty()) {
    const auto host = "interface=" + weft::escape_endpoint_value(host_);
    listen_to_ = {"tcp:" + std::to_string(port_) + ":" + host};
  }
  std::vector<weft::ListeningPort> ports;
  std::vector<weft::Deferred<void>> ends;
  for (const auto& endpoint : listen_to_) {
    ports.push_back(weft::listen(*reactor_, endpoint, factory).take_result().value().value());
    ends.push_back(ports.back().drained());
    // Standard output is a connection's own then.
    const bool stdio = ports.back().address() == weft::Address();
    if (!stdio) say("listening on " + ports.back().address().text());
  }
  // Nobody waits for the end of a port that never stops, so whoever drops it is not told.
  const auto all_ended = weft::gather_results(std::move(ends))
                             .add_callbacks([this] { finish(0); }, [](const weft::Failure&) {});
  return ports.front();
}

std::string Example::target(const std::string& kind) const {
  if (!connect_to_.empty()) return connect_to_;
  return kind + ":" + weft::escape_endpoint_value(host_) + ":" + std::to_string(port_);
}

void Example::connect(std::shared_ptr<weft::Factory> factory) {
  connect(target("tcp"), std::move(factory));
}

void Example::connect(std::string_view endpoint, std::shared_ptr<weft::Factory> factory) {
  const auto ended = weft::client_from_string(*reactor_, endpoint)
                         ->connect(std::move(factory))
                         .add_errback([this](const weft::Failure& failure) {
                           finish(1, failure.message());
                           return std::shared_ptr<weft::Protocol>();
                         });
}

void Example::finish(int status, std::string_view why) {
  if (status_) return;
  status_ = status;
  reactor_->stop_from_thread();
  if (!why.empty()) say(why);
}

void say(std::string_view line) {
  std::cout << line << std::endl;
}

int report_exception() noexcept {
  try {
    throw;
  } catch (const weft::EndpointError& error) {
    std::fprintf(stderr, "%s\n%s\n", error.what(), error.picture().c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  } catch (...) {
    std::fputs("something unknown was thrown\n", stderr);
  }
  return 1;
}
