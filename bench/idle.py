"""What idle connections cost: memory each, the last accept against the first, and the messages of
others beside them."""

import statistics
import subprocess

from racing import Race, Server, certificate_file, load_command
from scenarios import ECHO_PEERS, TLS_RACERS, WITHOUT_SELECT, raw, two_echo_servers, weft

STEP = 1_000


class Held:
    """Connections to `server` that are opened STEP at a time, send one message each, and stay."""

    def __init__(self, folder, server, count, load="load"):
        self.load = subprocess.Popen(
            load_command(folder, "hold", server.port, count, STEP, load=load),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def open_step(self):
        self.load.stdin.write("\n")
        self.load.stdin.flush()
        if not self.load.stdout.readline().strip():
            raise RuntimeError("a server did not take another connection")

    def close(self):
        self.load.stdin.close()
        self.load.wait(timeout=30)


def cost(folder, name, command, count, load="load"):
    """Bytes of memory a connection, and the CPU microseconds of accepting, in the first and the last
    step."""
    server = Server(name, [str(folder / command[0]), *command[1:]])
    held = Held(folder, server, count, load)
    try:
        memory = server.memory("RssAnon")
        costs = []
        for _ in range(count // STEP):
            before = server.cpu_seconds()
            held.open_step()
            costs.append((server.cpu_seconds() - before) / STEP * 1e6)
        return (server.memory("RssAnon") - memory) / count, costs[0], costs[-1]
    finally:
        held.close()
        server.stop()


def table(folder, count):
    rows = []
    for name, command in raw("echo") + weft("echo", WITHOUT_SELECT) + ECHO_PEERS:
        if not (folder / command[0]).exists():
            continue
        memory, first, last = cost(folder, name, command, count)
        rows.append((name, f"{memory:,.0f}", f"{first:.1f}", f"{last:.1f}"))
    return rows


def tls_table(folder, count):
    """Bytes of memory a connection of TLS, and those beyond what OpenSSL itself holds: the first
    server is little else."""
    rows, base = [], None
    for name, command in TLS_RACERS:
        if not (folder / command[0]).exists():
            continue
        memory, first, _ = cost(folder, name, [*command, str(certificate_file())], count,
                                "tls_load")
        base = memory if base is None else base
        rows.append((name, f"{memory:,.0f}", f"{memory - base:,.0f}", f"{first:.0f}"))
    return rows


def ratio_beside_idle(folder, idle, rounds):
    """CPU a message of a server that has `idle` connections too, to that of one that has none: the
    median of rounds that alternate."""
    with Race(folder, two_echo_servers()) as race:
        without, beside = race.servers
        held = Held(folder, beside, idle)
        try:
            for _ in range(idle // STEP):
                held.open_step()
            cpu, _ = race.run(rounds)
        finally:
            held.close()
    return statistics.median(some / none for none, some in
                             zip(cpu[without.name], cpu[beside.name]) if none and some)
