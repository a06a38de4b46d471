// Run `dns_lookup example.org MX --server 127.0.0.1:5353`: it says what DNS knows, as dig does.
#include "example.hpp"

#include <charconv>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using Lines = std::vector<std::string>;

/// One line for each record: the TTL and what `show` makes of the rest.
template <class Record, class Show>
weft::Deferred<Lines> shown(weft::Deferred<std::vector<Record>> lookup, Show show) {
  return std::move(lookup).add_callback([show](const std::vector<Record>& records) {
    Lines lines;
    for (const auto& record : records)
      lines.push_back(std::to_string(record.ttl.count()) + " " + show(record));
    return lines;
  });
}

std::string with_dot(const std::string& name) {
  return name == "." ? name : name + ".";
}

std::string quoted(const weft::TxtRecord& record) {
  std::string text;
  for (const auto& each : record.strings)
    text += (text.empty() ? "\"" : " \"") + each + "\"";
  return text;
}

/// Errors: InvalidArgument for a type that is not known here.
weft::Deferred<Lines> look_up(weft::DnsResolver& resolver, const std::string& name,
                              std::string_view type) {
  const auto address = [](const weft::AddressRecord& record) { return record.address.host(); };
  if (type == "A") return shown(resolver.addresses(name, weft::Address::Family::ipv4), address);
  if (type == "AAAA") return shown(resolver.addresses(name, weft::Address::Family::ipv6), address);
  if (type == "TXT") return shown(resolver.txt(name), quoted);
  // [mx]
  if (type == "MX") {
    return shown(resolver.mx(name), [](const weft::MxRecord& record) {
      return std::to_string(record.preference) + " " + with_dot(record.exchange);
    });
  }
  // [mx]
  if (type == "SRV") {
    return shown(resolver.srv(name), [](const weft::SrvRecord& record) {
      return std::to_string(record.priority) + " " + std::to_string(record.weight) + " " +
             std::to_string(record.port) + " " + with_dot(record.target);
    });
  }
  const auto numeric = weft::Address::parse(name, 0);
  if (type != "PTR" || !numeric) {
    throw weft::InvalidArgument("Ask for A, AAAA, SRV, TXT, MX, or for PTR of an address.");
  }
  return shown(resolver.ptr(*numeric),
               [](const weft::PtrRecord& record) { return with_dot(record.name); });
}

/// "127.0.0.1:5353", "[::1]:5353", or either without the port.
weft::Address parse_server(std::string_view text) {
  weft::Port port = 53;
  const auto colon = text.rfind(':');
  const bool has_port =
      colon != text.npos && (text[0] == '[' ? text[colon - 1] == ']' : text.find(':') == colon);
  if (has_port) {
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
    text = text.substr(0, colon);
  }
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  const auto address = weft::Address::parse(text, port);
  if (!address) throw weft::InvalidArgument("--server takes an address such as 127.0.0.1:5353.");
  return *address;
}

}  // namespace

int main(int argc, char** argv) try {
  std::string name, type = "A", server;
  Example example(Example::Role::tool, "Looks a name up in DNS.", 0);
  example.add_option("name,--name", name, "What to look up; an address for PTR");
  example.add_option("type,--type", type, "A, AAAA, SRV, TXT, MX or PTR");
  example.add_option("--server", server, "Whom to ask; the system's servers if empty");
  std::unique_ptr<weft::DnsResolver> resolver;
  const auto start = [&] {
    // [lookup]
    weft::DnsOptions options;
    if (!server.empty()) options.servers = {parse_server(server)};
    resolver = std::make_unique<weft::DnsResolver>(example.reactor(), options);
    const auto told =
        look_up(*resolver, name, type)
            .add_callbacks(
                [&example](const Lines& lines) {
                  for (const auto& line : lines)
                    say(line);
                  example.finish(0);
                },
                [&example](const weft::Failure& failure) { example.finish(1, failure.message()); });
    // [lookup]
  };
  // What is known at once ends the program at once, which must run by then.
  return example.run(argc, argv, [&] {
    example.reactor().call_when_running([&] {
      try {
        start();
      } catch (const weft::Error& error) {
        example.finish(1, error.what());
      }
    });
  });
} catch (...) {
  return report_exception();
}
