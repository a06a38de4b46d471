"""Servers in a race: started, pinned, and asked what the kernel says they used."""

import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

BASE = "raw epoll"


def pinned(command, core):
    if os.cpu_count() < 2 or not shutil.which("taskset"):
        return command
    return ["taskset", "-c", str(core), *command]


@functools.cache
def certificate_folder():
    return tempfile.TemporaryDirectory()


@functools.cache
def certificate_file():
    """A certificate on P-256 and its key, of which no test of trust is made."""
    path = pathlib.Path(certificate_folder().name, "identity.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", str(path), "-out", str(path) + ".crt"], check=True,
                   capture_output=True)
    with path.open("a") as file:
        file.write(pathlib.Path(str(path) + ".crt").read_text())
    return path


class Server:
    """A process that prints its port; on core 0 unless said otherwise."""

    def __init__(self, name, command, core=0):
        self.name = name
        self.command = command
        self.process = subprocess.Popen(
            pinned(command, core), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if not line.strip().isdigit():
            self.stop()
            raise RuntimeError(f"{name} did not start")
        self.port = int(line)

    def cpu_seconds(self):
        """Of all its threads, in nanoseconds where the kernel counts so finely."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def memory(self, field):
        """Bytes: RssAnon for now, VmHWM for the most it ever had."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        return 0

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def stop(self):
        self.process.kill()
        self.process.wait(timeout=10)


def load_command(folder, kind, port, *arguments, load="load"):
    return pinned([str(folder / load), kind, str(port), *map(str, arguments)], 1)


def run_load(folder, kind, port, *arguments, load="load"):
    """How long it took, in seconds."""
    done = subprocess.run(load_command(folder, kind, port, *arguments, load=load),
                          capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return float(done.stdout.splitlines()[-1])


class Race:
    """All servers of one scenario stay up; rounds are interleaved, so that what else the machine does
    falls on all alike. A run in which a message is left without its answer does not count; it is told,
    and fails the whole."""

    def __init__(self, folder, scenario):
        self.folder = folder
        self.scenario = scenario
        self.servers = []
        self.backend = None
        self.failures = 0
        # By name: units of work a second, one a round.
        self.rates = {}

    def __enter__(self):
        try:
            more = []
            if self.scenario.needs_backend:
                self.backend = Server("backend", [str(self.folder / "raw_epoll_server"), "echo"],
                                      core=1)
                more = [str(self.backend.port)]
            if self.scenario.needs_certificate:
                more = [str(certificate_file())]
            for name, command in self.scenario.racers:
                program = self.folder / command[0]
                if program.exists():
                    self.servers.append(Server(name, [str(program), *command[1:], *more]))
        except Exception:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in self.servers + ([self.backend] if self.backend else []):
            server.stop()

    def run(self, rounds):
        """By name: CPU seconds for each unit of work, one a round, None where a run failed; and the
        peaks of memory in bytes."""
        cpu = {server.name: [] for server in self.servers}
        peaks = {server.name: [] for server in self.servers}
        for number in range(rounds):
            # Each round begins with another one, so that nobody always runs on a warm machine.
            first = number % len(self.servers)
            for server in self.servers[first:] + self.servers[:first]:
                cpu[server.name].append(self.run_one(server, peaks[server.name]))
        return cpu, peaks

    def run_one(self, server, peaks):
        server.forget_peak()
        before = server.cpu_seconds()
        try:
            seconds = run_load(self.folder, self.scenario.kind, server.port,
                               *self.scenario.arguments, load=self.scenario.load)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"  {server.name}: {error}", file=sys.stderr)
            self.failures += 1
            self.rates.setdefault(server.name, []).append(None)
            return None
        peaks.append(server.memory("VmHWM"))
        self.rates.setdefault(server.name, []).append(self.scenario.units / seconds)
        return (server.cpu_seconds() - before) / self.scenario.units
