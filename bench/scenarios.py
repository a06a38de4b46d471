"""What is raced: who takes part, what the load does, and what one unit of its work is."""

import dataclasses

from racing import BASE

WEFT = ["epoll", "select", "io_uring"]


@dataclasses.dataclass
class Scenario:
    name: str
    unit: str
    racers: list
    kind: str
    arguments: tuple
    units: float
    needs_backend: bool = False
    shows_memory: bool = False
    needs_certificate: bool = False
    load: str = "load"


def weft(mode, reactors=None):
    return [(f"weft {reactor}", ["weft_server", reactor, mode]) for reactor in reactors or WEFT]


def raw(mode):
    return [(BASE, ["raw_epoll_server", mode])]


ECHO_PEERS = [
    ("Boost.Asio", ["asio_server", "echo"]),
    ("libuv", ["libuv_server"]),
    ("libevent", ["libevent_server"]),
]
STREAM = ("weft epoll, Stream", ["weft_server", "epoll", "stream"])
# select watches no more than 1,024 descriptors.
WITHOUT_SELECT = ["epoll", "io_uring"]


def ping(connections, messages=40_000, reactors=None, peers=True):
    many = "connection" if connections == 1 else "connections"
    return Scenario(f"echo, {connections:,} {many}", "message",
                    raw("echo") + weft("echo", reactors) + ([STREAM, *ECHO_PEERS] if peers else []),
                    "ping", (connections, messages, 64), messages)


def lines(count, batches):
    return Scenario(f"lines, {count} together", "line",
                    raw("lines") + weft("lines", ["epoll"]) +
                    [("Boost.Asio", ["asio_server", "lines"])],
                    "lines", (50, batches, count), batches * count)


def bulk(size, text, megabytes=1_024):
    return Scenario(f"bulk echo, {text} writes", "MB",
                    raw("echo") + weft("echo", WITHOUT_SELECT) + ECHO_PEERS,
                    "bulk", (4, megabytes, size), megabytes, shows_memory=True)


def forward(size, text, megabytes=1_024):
    return Scenario(f"port forwarder, {text} writes", "MB",
                    raw("forward") + weft("forward", ["epoll"]),
                    "bulk", (4, megabytes, size), megabytes, needs_backend=True,
                    shows_memory=True)


def publish(subscribers, messages):
    return Scenario(f"publish to {subscribers:,}", "delivery",
                    raw("publish") + weft("publish", ["epoll"]),
                    "publish", (subscribers, messages, 256), subscribers * messages,
                    shows_memory=True)


def churn(count):
    return Scenario("connect, one message, close", "connection",
                    raw("echo") + weft("echo", WITHOUT_SELECT) + ECHO_PEERS,
                    "churn", (count, 64), count)


# The yardstick is OpenSSL on a loop written by hand.
TLS_RACERS = ([(BASE, ["raw_tls_server"])] + weft("tls", WITHOUT_SELECT) +
              [("Boost.Asio", ["asio_tls_server"])])


def tls(name, unit, kind, arguments, units):
    return Scenario(name, unit, TLS_RACERS, kind, arguments, units, needs_certificate=True,
                    load="tls_load")


def tls_scenarios():
    return [
        tls("TLS bulk echo, 16 KiB writes", "MB", "bulk", (4, 512, 16 * 1024), 512),
        tls("TLS bulk echo, 1 MiB writes", "MB", "bulk", (4, 512, 1024 * 1024), 512),
        tls("TLS handshakes", "handshake", "handshakes", (1_000,), 1_000),
        tls("TLS handshakes, resumed", "handshake", "resumed", (2_000,), 2_000),
    ]


def all_scenarios():
    return [
        ping(1), ping(64), ping(1_000),
        lines(1, 40_000), lines(16, 20_000),
        bulk(64 * 1024, "64 KiB"), bulk(1024 * 1024, "1 MiB"),
        forward(64 * 1024, "64 KiB"), forward(1024 * 1024, "1 MiB"),
        publish(10_000, 30),
        churn(3_000),
        *tls_scenarios(),
    ]


def short_scenarios():
    return [ping(64, 20_000, peers=False)]


def two_echo_servers(messages=40_000):
    """The same server twice, of which one may be given idle connections."""
    racers = [(name, ["weft_server", "epoll", "echo"]) for name in ("none idle", "some idle")]
    return Scenario("beside idle ones", "message", racers, "ping", (64, messages, 64), messages)
