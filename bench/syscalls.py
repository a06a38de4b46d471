"""System calls a message, counted by strace."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

from racing import run_load
from scenarios import ECHO_PEERS, raw, weft

MESSAGES = 10_000
SUMMARY = re.compile(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$")


def count(folder, command):
    """By name, over one connection; empty where strace can't count them."""
    if not shutil.which("strace"):
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        summary = pathlib.Path(scratch) / "summary"
        tracer = subprocess.Popen(
            ["strace", "-c", "-f", "-o", str(summary), str(folder / command[0]), *command[1:]],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            port = tracer.stdout.readline().strip()
            if not port.isdigit():
                return {}
            run_load(folder, "ping", int(port), 1, MESSAGES, 64)
        finally:
            # strace passes no signal on: the server that it started is ended itself.
            children = pathlib.Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children")
            for child in children.read_text().split():
                os.kill(int(child), signal.SIGTERM)
            try:
                tracer.wait(timeout=10)
            except subprocess.TimeoutExpired:
                tracer.kill()
        found = map(SUMMARY.match, summary.read_text().splitlines())
        counts = {each[2]: int(each[1]) / MESSAGES for each in found if each}
        return {name: number for name, number in counts.items()
                if name != "total" and number >= 0.01}


def table(folder):
    rows = []
    for name, command in raw("echo") + weft("echo") + ECHO_PEERS:
        if not (folder / command[0]).exists():
            continue
        counts = count(folder, command)
        told = ", ".join(f"{call} {number:.2f}" for call, number in sorted(counts.items()))
        rows.append((name, told or "not counted"))
    return rows
