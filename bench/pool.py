#!/usr/bin/env python3
"""How much more a pool of two reactors echoes than one reactor, with the load on the same machine.

    bench/pool.py build/release/bench [--rounds 5]

Rounds are interleaved, figures are medians. CPU is what the server's process used, which tells what a
pool costs also where the load leaves it no core to gain."""

import argparse
import os
import pathlib
import statistics
import subprocess

# What is told of it, microseconds of work for each message, and the load's arguments after the port.
SCENARIOS = [
    ("64-byte messages, 50 connections", 0, "ping", (50, 150_000, 64)),
    ("16 KiB messages, 8 connections", 0, "ping", (8, 60_000, 16 * 1024)),
    ("streams in writes of 64 KiB, 4 connections", 0, "bulk", (4, 2_000, 64 * 1024)),
    ("5 us of work a message, 50 connections", 5, "ping", (50, 100_000, 64)),
    ("20 us of work a message, 50 connections", 20, "ping", (50, 50_000, 64)),
    ("100 us of work a message, 50 connections", 100, "ping", (50, 15_000, 64)),
]


def cpu_of(process):
    fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(folder, threads, work, kind, arguments):
    """The seconds that it took, and those of CPU that the server used."""
    server = subprocess.Popen([folder / "weft_pool_server", "epoll", str(threads), str(work)],
                              stdout=subprocess.PIPE, text=True)
    try:
        port = server.stdout.readline().strip()
        before = cpu_of(server.pid)
        load = subprocess.run([folder / "load", kind, port, *map(str, arguments)], check=True,
                              stdout=subprocess.PIPE, text=True, timeout=120)
        seconds = float(load.stdout)
        return seconds, cpu_of(server.pid) - before
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("| | one reactor | two | ratio | CPU of the one | of the two |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, work, kind, arguments in SCENARIOS:
        runs = {1: [], 2: []}
        for _ in range(options.rounds):
            for threads, results in runs.items():
                results.append(run(options.folder, threads, work, kind, arguments))
        seconds = {n: statistics.median(s for s, _ in results) for n, results in runs.items()}
        cpu = {n: statistics.median(c for _, c in results) for n, results in runs.items()}
        unit, each = ("MB/s", "us/MB") if kind == "bulk" else ("messages/s", "us")
        costs = {n: f"{cpu[n] / arguments[1] * 1e6:.1f} {each}" for n in runs}
        rates = {n: arguments[1] / seconds[n] for n in runs}
        print(f"| {name} | {rates[1]:,.0f} {unit} | {rates[2]:,.0f} {unit} | "
              f"{rates[2] / rates[1]:.2f} | {costs[1]} | {costs[2]} |", flush=True)


if __name__ == "__main__":
    main()
