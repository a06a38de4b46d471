#!/usr/bin/env python3
"""Races weft's servers against a hand-written epoll loop and its peers, and tells the ratios.

CPU is what the server's process used, read from the kernel, divided by the work done. Servers are
pinned to one core, the load to another; rounds are interleaved, and figures are medians. --write puts
them into docs/performance.md and its chart."""

import argparse
import datetime
import os
import pathlib
import platform
import sys

import idle
import report
import syscalls
from racing import Race
from scenarios import all_scenarios, short_scenarios

# Idle connections beside busy ones.
BESIDE = 10_000
IDLE_TLS = 2_000
ROOT = pathlib.Path(__file__).resolve().parent.parent


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def race(options, scenarios):
    """(scenario, CPU by name, peaks by name) for each; units a second by name for each scenario's
    name; and how many runs failed."""
    results, rates, failures = [], {}, 0
    for scenario in scenarios:
        print(f"{scenario.name}: {options.rounds} rounds", file=sys.stderr)
        with Race(options.folder, scenario) as running:
            results.append((scenario, *running.run(options.rounds)))
            rates[scenario.name] = running.rates
            failures += running.failures
    return results, rates, failures


def tell_idle_tls(folder):
    rows = idle.tls_table(folder, IDLE_TLS)
    if not rows:
        return []
    return [f"{IDLE_TLS:,} idle connections of TLS, after one message each:\n",
            report.markdown(["", "bytes each", "beyond OpenSSL's", "µs for a handshake"], rows)]


def tell(options, results, rates):
    """The whole report, as Markdown."""
    beside = idle.ratio_beside_idle(options.folder, BESIDE, options.rounds)
    kernel = platform.release().split("-")[0]
    today = datetime.date.today().isoformat()
    return "\n".join([
        f"Measured on {today}: {processor()}, {os.cpu_count()} cores, Linux {kernel}, "
        f"{options.rounds} rounds.\n",
        report.race_table(results),
        report.memory_table(results),
        report.rate_table(results, rates),
        f"{options.idle:,} connections that were opened one after the other, sent one message each "
        "and then were idle:\n",
        report.markdown(["", "bytes each", "µs for one of the first thousand", "of the last"],
                        idle.table(options.folder, options.idle)),
        *tell_idle_tls(options.folder),
        f"A message on one of 64 connections costs {beside:.2f} of itself on weft's epoll reactor when "
        f"{BESIDE:,} idle ones are there too.\n",
        report.markdown(["System calls a message, one connection", ""],
                        syscalls.table(options.folder)),
    ])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/release/bench")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--idle", type=int, default=19_000, help="how many idle connections")
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    parser.add_argument("--short", action="store_true",
                        help="a few seconds, weft's reactors only, as bars")
    options = parser.parse_args()
    if not (options.folder / "raw_epoll_server").exists():
        sys.exit(f"there is no raw_epoll_server in {options.folder}: ./run build makes it")
    scenarios = short_scenarios() if options.short else all_scenarios()
    # Without OpenSSL there is no load of TLS.
    scenarios = [each for each in scenarios
                 if options.only in each.name and (options.folder / each.load).exists()]
    results, rates, failures = race(options, scenarios)
    if options.short:
        print(report.bars(report.ratios(results[0][1])))
    elif options.only:
        print(report.race_table(results))
        print(report.memory_table(results))
        print(report.rate_table(results, rates))
    else:
        text = tell(options, results, rates)
        print(text)
        if options.write:
            report.write(ROOT / "docs/performance.md", ROOT / "docs/performance.svg", text, results)
    if failures:
        print(f"{failures} runs left work undone, which do not count", file=sys.stderr)
    if failures and not options.short:
        sys.exit(1)


if __name__ == "__main__":
    main()
