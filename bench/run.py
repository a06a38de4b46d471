#!/usr/bin/env python3
"""Races weft's echo server against a hand-written epoll loop and its peers, and tells the ratios.

CPU per message is what the server's process used, read from the kernel, divided by the messages.
All servers stay up; rounds are interleaved, so that what else the machine does falls on all alike;
figures are medians. The servers are pinned to one core, the load to another. A run in which a
server leaves a message without its answer does not count; it is told, and fails a whole race."""

import argparse
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BASE = "raw epoll"


def racers(folder, short):
    everyone = [
        (BASE, ["raw_epoll_echo"]),
        ("weft epoll", ["weft_echo", "epoll"]),
        ("weft select", ["weft_echo", "select"]),
        ("weft io_uring", ["weft_echo", "io_uring"]),
        ("Boost.Asio", ["asio_echo"]),
        ("libuv", ["libuv_echo"]),
        ("libevent", ["libevent_echo"]),
    ]
    for name, command in everyone:
        if short and not (name.startswith("weft") or name == BASE):
            continue
        program = folder / command[0]
        if program.exists():
            yield name, [str(program), *command[1:]]


def pinned(command, core):
    if os.cpu_count() < 2 or not shutil.which("taskset"):
        return command
    return ["taskset", "-c", str(core), *command]


class Server:
    def __init__(self, name, command):
        self.name = name
        self.command = command
        self.process = subprocess.Popen(
            pinned(command, 0), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if not line.strip().isdigit():
            raise RuntimeError(f"{name} did not start")
        self.port = int(line)

    def cpu_seconds(self):
        """Of all its threads, in nanoseconds where the kernel counts so finely."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def stop(self):
        self.process.kill()
        self.process.wait(timeout=10)


def load(folder, port, connections, messages, size):
    command = [str(folder / "echo_load"), str(port), str(connections), str(messages), str(size)]
    done = subprocess.run(pinned(command, 1), capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return float(done.stdout)


def race(folder, servers, connections, options, unanswered):
    """CPU seconds and elapsed seconds a message, by name: one of each a round, None if it failed.

    Adds to `unanswered`, by name, the runs that did not end."""
    cpu = {server.name: [] for server in servers}
    took = {server.name: [] for server in servers}
    for number in range(options.rounds):
        # Each round begins with another one, so that nobody always runs on a warm machine.
        for server in servers[number % len(servers):] + servers[:number % len(servers)]:
            before = server.cpu_seconds()
            try:
                elapsed = load(folder, server.port, connections, options.messages, options.bytes)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                print(f"  {server.name}: {error}", file=sys.stderr)
                unanswered[server.name] = unanswered.get(server.name, 0) + 1
                cpu[server.name].append(None)
                continue
            cpu[server.name].append((server.cpu_seconds() - before) / options.messages)
            took[server.name].append(elapsed / options.messages)
        print(f"  {connections} connections, round {number + 1} of {options.rounds}",
              file=sys.stderr)
    return cpu, took


def rows(connections, cpu, took):
    for name in cpu:
        ratios = [mine / base for mine, base in zip(cpu[name], cpu[BASE]) if mine and base]
        if not ratios:
            continue
        yield {
            "connections": connections,
            "name": name,
            "ratio": statistics.median(ratios),
            "cpu": statistics.median(filter(None, cpu[name])) * 1e6,
            "rate": 1 / statistics.median(took[name]),
        }


def system_calls(folder, server, messages):
    """System calls a message, by name, over one connection; empty where strace can't count them."""
    if not shutil.which("strace"):
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        summary = pathlib.Path(scratch) / "summary"
        tracer = subprocess.Popen(
            ["strace", "-c", "-f", "-o", str(summary), *server.command],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            port = tracer.stdout.readline().strip()
            if not port.isdigit():
                return {}
            load(folder, int(port), 1, messages, 64)
        finally:
            # strace passes no signal on: the server that it started is ended itself.
            children = pathlib.Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children")
            for child in children.read_text().split():
                os.kill(int(child), signal.SIGTERM)
            try:
                tracer.wait(timeout=10)
            except subprocess.TimeoutExpired:
                tracer.kill()
        counts = {}
        for line in summary.read_text().splitlines():
            found = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
            if found and found[2] != "total" and int(found[1]) >= messages / 100:
                counts[found[2]] = int(found[1]) / messages
        return counts


def print_table(table):
    print(f"{'connections':>11}  {'server':<14} {'CPU us/message':>14} {'messages/s':>11} "
          f"{'to raw epoll':>12}")
    for row in table:
        print(f"{row['connections']:>11}  {row['name']:<14} {row['cpu']:>14.2f} "
              f"{row['rate']:>11.0f} {row['ratio']:>12.2f}")


def print_bars(table):
    most = max(row["ratio"] for row in table)
    for row in table:
        bar = "█" * max(1, round(40 * row["ratio"] / most))
        print(f"  {row['connections']:>5}  {row['name']:<14} {bar} {row['ratio']:.2f}")


def write_chart(table, path):
    height, left, scale, top = 22, 190, 220, 46
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" '
        f'height="{top + height * len(table) + 16}" font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="12" y="24" font-size="15">Server CPU per echoed 64-byte message, '
        'against a hand-written epoll loop (less is better)</text>',
    ]
    for number, row in enumerate(table):
        y = top + height * number
        colour = "#2b6cb0" if row["name"].startswith("weft") else "#a0aec0"
        width = row["ratio"] * scale
        lines.append(f'<text x="12" y="{y + 14}">{row["connections"]}</text>')
        lines.append(f'<text x="64" y="{y + 14}">{row["name"]}</text>')
        lines.append(f'<rect x="{left}" y="{y + 3}" width="{width:.0f}" '
                     f'height="{height - 7}" fill="{colour}"/>')
        lines.append(f'<text x="{left + width + 6:.0f}" y="{y + 14}">{row["ratio"]:.2f}</text>')
    lines.append("</svg>")
    path.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/release/bench")
    parser.add_argument("--connections", default="1,64,1000")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--bytes", type=int, default=64)
    parser.add_argument("--chart", type=pathlib.Path, help="where to write the bar chart (SVG)")
    parser.add_argument("--no-strace", action="store_true", help="do not count system calls")
    parser.add_argument("--short", action="store_true",
                        help="a few seconds, weft's reactors only, as bars")
    options = parser.parse_args()
    if options.short:
        options.connections, options.rounds, options.messages = "64", 3, 20_000

    servers, unanswered = [], {}
    try:
        for name, command in racers(options.folder, options.short):
            try:
                servers.append(Server(name, command))
            except RuntimeError as error:
                print(f"left out: {error}", file=sys.stderr)
        if not any(server.name == BASE for server in servers):
            sys.exit(f"there is no raw_epoll_echo in {options.folder}: ./run build makes it")
        table = []
        for connections in map(int, options.connections.split(",")):
            found = race(options.folder, servers, connections, options, unanswered)
            table += rows(connections, *found)
        if options.short:
            print_bars(table)
        else:
            print_table(table)
            print()
            print_bars(table)
        if options.chart:
            write_chart(table, options.chart)
        if not options.no_strace and not options.short:
            print("\nsystem calls a message, one connection:")
            for server in servers:
                counts = system_calls(options.folder, server, 10_000)
                told = ", ".join(f"{name} {count:.2f}" for name, count in sorted(counts.items()))
                print(f"  {server.name:<14} {told or 'not counted'}")
    finally:
        for server in servers:
            server.stop()
    for name, runs in unanswered.items():
        print(f"{name} left messages without an answer in {runs} runs, which do not count")
    if unanswered and not options.short:
        sys.exit(1)


if __name__ == "__main__":
    main()
