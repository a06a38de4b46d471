#!/usr/bin/env python3
"""Holds what an operation costs against stored figures: instructions, by callgrind, and allocations.

    bench/cost_gate.py PROGRAM STORED.json [--update]

Fails when an operation takes more instructions than stored, beyond a tolerance, or one allocation
more. --update stores what is measured now: to be done, and explained, in the commit that changes it."""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# Where data lies decides a little.
TOLERANCE = 0.06
LIMIT_SECONDS = 240
# The C library chooses its copying and searching by the processor: here by none.
PLAIN = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-BMI2"}


def measure(program):
    """By operation: instructions and allocations each."""
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch) / "out"
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", str(program)],
            capture_output=True, text=True, timeout=LIMIT_SECONDS, env={**os.environ, **PLAIN})
        if done.returncode != 0:
            sys.exit(f"{program} failed:\n{done.stdout}{done.stderr}")
        instructions = {}
        for dump in pathlib.Path(scratch).iterdir():
            text = dump.read_text()
            name = re.search(r"^desc: Trigger: Client Request: (.+)$", text, re.M)
            total = re.search(r"^summary: (\d+)", text, re.M) or \
                re.search(r"^totals: (\d+)", text, re.M)
            if name and total:
                instructions[name[1]] = int(total[1])
    found = {}
    for line in done.stdout.splitlines():
        name, times, allocations = line.split()
        found[name] = {
            "instructions": round(instructions[name] / int(times)),
            "allocations": round(int(allocations) / int(times), 2),
        }
    return found


def faults(stored, found):
    for name in sorted(stored.keys() | found.keys()):
        if name not in found or name not in stored:
            yield f"{name} is {'not stored' if name in found else 'stored, but not measured'}"
            continue
        for what, tolerance in (("instructions", TOLERANCE), ("allocations", 0)):
            most = stored[name][what] * (1 + tolerance)
            if found[name][what] > most:
                yield f"{name}: {found[name][what]} {what}, where {stored[name][what]} were stored"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("stored", type=pathlib.Path)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    found = measure(options.program)
    stored = json.loads(options.stored.read_text()) if options.stored.exists() else {}
    for name, costs in found.items():
        before = stored.get(name, costs)
        print(f"{name:<20} {costs['instructions']:>7} instructions (stored {before['instructions']}), "
              f"{costs['allocations']:g} allocations (stored {before['allocations']:g})")
    if options.update:
        options.stored.write_text(json.dumps(found, indent=2) + "\n")
        return
    wrong = list(faults(stored, found))
    for fault in wrong:
        print(fault)
    if wrong:
        print(f"If this is meant: bench/cost_gate.py {options.program} {options.stored} --update")
        sys.exit(1)


if __name__ == "__main__":
    main()
