"""What idle connections cost: memory each, the last accept against the first, and the messages of
others beside them."""

import statistics
import subprocess

from racing import Race, Server, load_command
from scenarios import BASE, ECHO_PEERS, WITHOUT_SELECT, beside_idle, raw, weft

STEP = 1_000


def hold(folder, name, command, count):
    """Bytes of memory a connection, and the CPU microseconds of accepting, in the first and the last
    step."""
    server = Server(name, [str(folder / command[0]), *command[1:]])
    load = subprocess.Popen(load_command(folder, "hold", server.port, count, STEP),
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        memory = server.memory("RssAnon")
        costs = []
        for _ in range(count // STEP):
            before = server.cpu_seconds()
            load.stdin.write("\n")
            load.stdin.flush()
            if not load.stdout.readline().strip():
                raise RuntimeError(f"{name} did not take {count} connections")
            costs.append((server.cpu_seconds() - before) / STEP * 1e6)
        return (server.memory("RssAnon") - memory) / count, costs[0], costs[-1]
    finally:
        load.stdin.close()
        load.wait(timeout=30)
        server.stop()


def table(folder, count):
    rows = []
    for name, command in raw("echo") + weft("echo", WITHOUT_SELECT) + ECHO_PEERS:
        if not (folder / command[0]).exists():
            continue
        memory, first, last = hold(folder, name, command, count)
        rows.append((name, f"{memory:,.0f}", f"{first:.1f}", f"{last:.1f}"))
    return rows


def ratio_beside_idle(folder, idle, rounds):
    """CPU a message with `idle` connections, to that with none: the median of rounds that alternate."""
    without, beside = beside_idle(idle)
    with Race(folder, without) as race:
        server = race.servers[0]
        ratios = []
        for _ in range(rounds):
            race.scenario = without
            none = race.run_one(server, [])
            race.scenario = beside
            some = race.run_one(server, [])
            if none and some:
                ratios.append(some / none)
    return statistics.median(ratios)
