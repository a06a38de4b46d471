#!/usr/bin/env python3
"""Runs the examples as a user would: over loopback, with a client that is not ours, on every reactor.

    examples/examples_test.py build/release/examples
"""

import contextlib
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

if sys.platform == "linux":
    import fcntl
    import termios

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = pathlib.Path(".")
LIMIT = 20  # seconds; a bound on what should take none, not a wait


def run(program, *arguments, **options):
    return subprocess.run([PROGRAMS / program, *map(str, arguments)], timeout=LIMIT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def reactors():
    listed = re.search(r"one of: (\w+(?:, \w+)*)", " ".join(run("echo_server", "--help").stdout.split()))
    return listed.group(1).split(", ")


@contextlib.contextmanager
def serving_unix(program, *arguments):
    """The program listening on a UNIX socket of its own; gives its path."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        process = subprocess.Popen([PROGRAMS / program, "--listen", f"unix:{path}", *map(str, arguments)],
                                   stdout=subprocess.PIPE, text=True)
        try:
            process.stdout.readline()
            yield path
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@contextlib.contextmanager
def serving(program, *arguments):
    """The program listening on a free port; gives its process and its port."""
    where = [] if "--listen" in arguments else ["--port", "0"]
    process = subprocess.Popen([PROGRAMS / program, *where, *map(str, arguments)],
                               stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        yield process, int(line.rsplit(":", 1)[1])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=LIMIT)


def read_all(connection):
    return b"".join(iter(lambda: connection.recv(65536), b""))


def converse(port, request):
    """Sends all, half-closes, and gives all that comes back."""
    with connect(port) as connection:
        return converse_on(connection, request)


def converse_on(connection, request):
    connection.settimeout(LIMIT)
    sender = threading.Thread(target=lambda: (connection.sendall(request),
                                              connection.shutdown(socket.SHUT_WR)))
    sender.start()
    try:
        return read_all(connection)
    finally:
        sender.join()


class Servers(unittest.TestCase):
    def test_they_talk_to_themselves_on_every_reactor(self):
        for reactor in reactors():
            for program in ("echo_server", "chat_server", "stream_echo"):
                with self.subTest(reactor=reactor, program=program):
                    ran = run(program, "--self-test", "--port", 0, "--reactor", reactor)
                    self.assertEqual(ran.returncode, 0, ran.stdout)
                    self.assertIn("self-test passed", ran.stdout)

    def test_sigterm_ends_them_in_order_on_every_reactor(self):
        for reactor in reactors():
            for program in ("echo_server", "chat_server", "stream_echo"):
                with self.subTest(reactor=reactor, program=program), \
                        serving(program, "--reactor", reactor) as (process, port):
                    with connect(port) as connection:
                        connection.sendall(b"hello\n")
                        self.assertTrue(connection.recv(1))
                        process.send_signal(signal.SIGTERM)
                        self.assertEqual(process.wait(LIMIT), 0)

    def test_a_taken_port_and_an_unknown_reactor_are_told_in_words(self):
        with serving("echo_server") as (_, port):
            ran = run("echo_server", "--port", port)
            self.assertEqual(ran.returncode, 1)
            self.assertIn(str(port), ran.stdout)
        ran = run("echo_server", "--reactor", "perpetual")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("perpetual", ran.stdout)


class Echo(unittest.TestCase):
    def test_answers_in_full_who_has_half_closed_on_every_reactor(self):
        request = bytes(range(256)) * 400
        for reactor in reactors():
            with self.subTest(reactor=reactor), \
                    serving("echo_server", "--reactor", reactor) as (_, port):
                self.assertEqual(converse(port, request), request)

    def test_answers_over_a_unix_socket_on_every_reactor(self):
        request = bytes(range(256)) * 4000
        for reactor in reactors():
            with self.subTest(reactor=reactor), \
                    serving_unix("echo_server", "--reactor", reactor) as path, \
                    socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
                self.assertEqual(converse_on(connection, request), request)

    def test_logs_each_connection_by_its_number(self):
        ran = run("echo_server", "--self-test", "--verbose", "--port", 0)
        self.assertIn("[connection=1] echo: It has come.", ran.stdout)
        self.assertIn("[connection=1] echo: All that was done for it has ended.", ran.stdout)

    @unittest.skipUnless(shutil.which("nc"), "nc is not installed")
    def test_answers_a_client_that_is_not_ours(self):
        with serving("echo_server") as (_, port):
            ran = subprocess.run(["nc", "-N", "127.0.0.1", str(port)], input="hello\n", text=True,
                                 stdout=subprocess.PIPE, timeout=LIMIT)
            self.assertEqual(ran.stdout, "hello\n")

    def test_the_client_counts_round_trips(self):
        with serving("echo_server") as (_, port):
            ran = run("echo_client", "--port", port, "--count", 100)
            self.assertEqual(ran.returncode, 0, ran.stdout)
            self.assertIn("came back 100 times", ran.stdout)

    def test_the_forwarder_is_transparent(self):
        request = b"x" * 300000
        with serving("echo_server") as (_, echo), \
                serving("port_forwarder", "--to", echo) as (_, port):
            self.assertEqual(converse(port, request), request)


class Endpoints(unittest.TestCase):
    def test_a_server_listens_on_several_at_once(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/socket"
            with serving("echo_server", "--listen", "tcp:0:interface=127.0.0.1", "--listen",
                         f"unix:{path}:mode=600") as (process, port):
                self.assertIn(path, process.stdout.readline())
                self.assertEqual(converse(port, b"hello"), b"hello")
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(path)
                    self.assertEqual(converse_on(connection, b"hello"), b"hello")

    def test_standard_input_and_output_are_one(self):
        ran = run("echo_server", "--listen", "stdio:", input="hello\n")
        self.assertEqual((ran.returncode, ran.stdout), (0, "hello\n"))

    def test_a_client_connects_to_one(self):
        with serving_unix("echo_server") as path:
            ran = run("echo_client", "--connect", f"unix:{path}")
            self.assertEqual(ran.returncode, 0, ran.stdout)

    def test_a_bad_one_is_pointed_at(self):
        ran = run("echo_server", "--listen", "tcp:7x")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("tcp:7x\n    ^~\n", ran.stdout)


@contextlib.contextmanager
def haproxy(configuration, accepts=""):
    """HAProxy in front of what the configuration says; gives its port."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listening:
        path = pathlib.Path(folder, "haproxy.cfg")
        path.write_text(
            "defaults\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\n"
            f"frontend f\n  bind fd@{listening.fileno()} {accepts}\n{configuration}")
        process = subprocess.Popen(["haproxy", "-db", "-f", str(path)],
                                   pass_fds=[listening.fileno()], stderr=subprocess.DEVNULL)
        try:
            yield listening.getsockname()[1]
        finally:
            process.kill()
            process.wait()


@unittest.skipUnless(shutil.which("haproxy"), "haproxy is not installed")
class HAProxy(unittest.TestCase):
    # Says who it believes its client is.
    WHO = ("  mode http\n  http-request return status 200 content-type text/plain "
           'lf-string "%ci %cp"\n')

    def test_tells_an_echo_server_of_its_clients_in_both_versions(self):
        request = bytes(range(256)) * 1000
        for reactor in reactors():
            for sends in ("send-proxy", "send-proxy-v2"):
                with self.subTest(reactor=reactor, sends=sends), \
                        serving("echo_server", "--reactor", reactor, "--listen",
                                "haproxy:tcp:0:interface=127.0.0.1") as (_, echo), \
                        haproxy("  default_backend b\nbackend b\n"
                                f"  server s 127.0.0.1:{echo} {sends}\n") as port:
                    self.assertEqual(converse(port, request), request)

    def test_without_a_header_is_refused(self):
        with serving("echo_server", "--listen", "haproxy:tcp:0:interface=127.0.0.1") as (_, echo), \
                haproxy("  default_backend b\nbackend b\n"
                        f"  server s 127.0.0.1:{echo}\n") as port:
            with contextlib.suppress(OSError):
                self.assertEqual(converse(port, b"hello"), b"")

    def test_believes_the_proxy_in_both_versions(self):
        for version in (1, 2):
            with self.subTest(version=version), \
                    haproxy(self.WHO, "accept-proxy") as backend, \
                    serving("proxy", "--to", f"tcp:127.0.0.1:{backend}", "--announce",
                            version) as (_, port), connect(port) as connection:
                who = "%s %d" % connection.getsockname()
                answer = converse_on(connection, b"GET / HTTP/1.0\r\n\r\n")
                self.assertTrue(answer.endswith(who.encode()), answer)


class Datagrams(unittest.TestCase):
    def test_come_back_to_a_client_that_is_not_ours_on_every_reactor(self):
        for reactor in reactors():
            with self.subTest(reactor=reactor), \
                    serving("udp_echo", "--reactor", reactor) as (_, port), \
                    socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(LIMIT)
                for datagram in (b"hello", b"", bytes(60000)):
                    client.sendto(datagram, ("127.0.0.1", port))
                    self.assertEqual(client.recv(65536), datagram)

    def test_are_counted_by_our_client_on_every_reactor(self):
        for reactor in reactors():
            with self.subTest(reactor=reactor), serving("udp_echo") as (_, port):
                ran = run("udp_echo", "--to", "127.0.0.1", "--port", port, "--count", 1000,
                          "--reactor", reactor)
                self.assertEqual(ran.returncode, 0, ran.stdout)
                self.assertIn("1000 datagrams came back", ran.stdout)

    def test_that_nobody_answers_are_told_in_words(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        ran = run("udp_echo", "--to", "127.0.0.1", "--port", port)
        self.assertEqual(ran.returncode, 1)
        self.assertIn("nobody listens", ran.stdout)


class Chat(unittest.TestCase):
    def test_everybody_hears_what_anybody_says(self):
        with serving("chat_server") as (_, port), connect(port) as ann, connect(port) as bob:
            ann_reads, bob_reads = ann.makefile(), bob.makefile()
            self.assertIn("you are guest", ann_reads.readline())
            self.assertIn("you are guest", bob_reads.readline())
            ann.sendall(b"/name ann\nhel")
            ann.sendall(b"lo\n")
            for reads in (ann_reads, bob_reads):
                self.assertIn("is now ann", reads.readline())
                self.assertEqual(reads.readline(), "ann: hello\n")
            ann_reads.close()
            ann.close()
            self.assertEqual(bob_reads.readline(), "* ann left\n")
            bob_reads.close()

    def test_who_never_reads_is_dropped_and_the_others_are_served(self):
        line = b"y" * 8000 + b"\n"
        with serving("chat_server") as (_, port), connect(port) as deaf, connect(port) as ann:
            reads = ann.makefile("rb")
            self.assertIn(b"you are guest", reads.readline())
            deaf.sendall(b"/name deaf\n")
            self.assertIn(b"is now deaf", reads.readline())
            heard = b""
            for _ in range(20000):
                ann.sendall(line)
                heard = reads.readline()
                if heard == b"* deaf left\n":
                    break
            self.assertEqual(heard, b"* deaf left\n")
            reads.close()

    def test_a_line_without_an_end_is_refused(self):
        with serving("chat_server") as (_, port), connect(port) as connection:
            with self.assertRaises(OSError):
                for _ in range(1024):
                    connection.sendall(b"A" * 65536)

    def test_the_client_stays_until_a_word_is_said(self):
        with serving("chat_server") as (_, port):
            ran = run("chat_client", "--port", port, "--name", "ann", "--say", "hello", "--say",
                      "bye", "--until", "bye")
            self.assertEqual(ran.returncode, 0, ran.stdout)
            self.assertIn("ann: hello\nann: bye\n", ran.stdout)


@unittest.skipUnless(sys.platform == "linux", "reactors share a port there")
class ChatPool(unittest.TestCase):
    def test_everybody_hears_what_anybody_says_in_whatever_reactor_on_every_loop(self):
        for reactor in reactors():
            with self.subTest(reactor=reactor), contextlib.ExitStack() as stack:
                process, port = stack.enter_context(
                    serving("chat_pool", "--threads", 2, "--reactor", reactor))
                members = [stack.enter_context(connect(port)) for _ in range(4)]
                reads = [stack.enter_context(member.makefile()) for member in members]
                served = [each.readline().rsplit(" ", 1)[1] for each in reads]
                self.assertEqual(sorted(served), ["0\n", "0\n", "1\n", "1\n"])
                for number, member in enumerate(members):
                    member.sendall(b"it is %d\n" % number)
                    for each in reads:
                        self.assertTrue(each.readline().endswith(f": it is {number}\n"))
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(LIMIT), 0)


class Feed(unittest.TestCase):
    TRADE = b"\0\x11TWEFT    \0\1\x86\xa0\0\0\0\x64"

    def test_finds_the_trades_wherever_the_bytes_are_cut(self):
        with serving("feed_parser") as (process, port):
            with connect(port) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for byte in self.TRADE + b"\0\1Q" + self.TRADE:
                    connection.sendall(bytes([byte]))
            self.assertEqual(process.stdout.readline(), "100 WEFT at 10.0000\n")
            self.assertEqual(process.stdout.readline(), "100 WEFT at 10.0000\n")
            self.assertIn("ended", process.stdout.readline())

    def test_drops_what_is_no_feed(self):
        for nonsense in (b"\0\0\0\0", b"\xff\xff", b"\xff\xffT", b"\0\2TT"):
            with self.subTest(nonsense=nonsense), serving("feed_parser") as (process, port):
                with connect(port) as connection:
                    connection.sendall(nonsense)
                    # It is reset as soon as the nonsense shows, be it before our end.
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_WR)
                        self.assertEqual(read_all(connection), b"")
                self.assertIn("no feed" if len(nonsense) > 2 else "ended",
                              process.stdout.readline())


@unittest.skipUnless(sys.platform == "linux", "the signals and the files are Linux's")
class Service(unittest.TestCase):
    where = ("--listen", "tcp:0:interface=127.0.0.1")

    def test_sends_back_and_ends_in_order_at_sigterm_on_every_reactor(self):
        for reactor in reactors():
            with self.subTest(reactor=reactor), \
                    serving("service", *self.where, f"--reactor={reactor}") as (process, port):
                with connect(port) as connection:
                    connection.sendall(b"hello\n")
                    self.assertEqual(connection.recv(100), b"hello\n")
                    process.send_signal(signal.SIGTERM)
                    self.assertEqual(process.stdout.readline(), "stopping\n")
                    self.assertEqual(read_all(connection), b"")
                    self.assertEqual(process.wait(LIMIT), 0)

    def test_tells_a_supervisor_how_it_fares_and_keeps_a_log_and_a_pid_file(self):
        with tempfile.TemporaryDirectory() as folder, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
            supervisor.settimeout(LIMIT)
            supervisor.bind(f"{folder}/notify")
            environment = {**os.environ, "NOTIFY_SOCKET": f"{folder}/notify"}
            process = subprocess.Popen([PROGRAMS / "service", *self.where, f"--log-file={folder}/log",
                                        f"--pid-file={folder}/pid"],
                                       stdout=subprocess.PIPE, text=True, env=environment)
            try:
                told = lambda: supervisor.recv(1000).decode()
                self.assertEqual(told(), "STATUS=0 bytes have come back so far")
                self.assertEqual(told(), "READY=1")
                self.assertEqual(int(pathlib.Path(folder, "pid").read_text()), process.pid)
                os.rename(f"{folder}/log", f"{folder}/log.1")
                process.send_signal(signal.SIGHUP)
                self.assertTrue(told().startswith("RELOADING=1\nMONOTONIC_USEC="))
                self.assertEqual(told(), "READY=1")
                process.send_signal(signal.SIGTERM)
                self.assertTrue(told().startswith("STOPPING=1"))
                self.assertEqual(process.wait(LIMIT), 0)
                self.assertIn("Started", pathlib.Path(folder, "log.1").read_text())
                self.assertIn("Stopping", pathlib.Path(folder, "log").read_text())
                self.assertFalse(pathlib.Path(folder, "pid").exists())
            finally:
                process.kill()
                process.wait()
                process.stdout.close()

    def test_says_what_is_wrong_with_its_flags_and_its_endpoint(self):
        ran = run("service", "--lisen=tcp:80")
        self.assertEqual(ran.returncode, 2)
        self.assertIn("There is no flag --lisen", ran.stdout)
        ran = run("service", "--listen=tcp:eighty")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("^", ran.stdout)
        self.assertIn("--listen=ENDPOINT", run("service", "--help").stdout)


@unittest.skipUnless(sys.platform == "linux", "the terminals are Linux's")
class Terminals(unittest.TestCase):
    def test_a_program_runs_on_a_terminal_and_its_status_is_told_on_every_reactor(self):
        for reactor in reactors():
            with self.subTest(reactor=reactor):
                ran = run("run_under_pty", "--reactor", reactor, "--",
                          "sh", "-c", "test -t 0 && stty size; exit 3", input="")
                self.assertEqual(ran.returncode, 3, ran.stdout)
                self.assertIn("24 80", ran.stdout)

    def test_a_program_that_is_not_there_is_told_in_words(self):
        ran = run("run_under_pty", "--", "no-such-program-anywhere", input="")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("no-such-program-anywhere could not be run", ran.stdout)

    def test_keys_and_the_size_of_the_window_are_passed_on(self):
        # The signal waits until it is waited for, however soon it comes.
        program = ("import os, signal\n"
                   "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})\n"
                   "print('hello', input(), flush=True)\n"
                   "signal.sigwait({signal.SIGWINCH})\n"
                   "print(os.get_terminal_size(), flush=True)\n")
        ours, theirs = os.openpty()
        process = subprocess.Popen([PROGRAMS / "run_under_pty", "--", sys.executable, "-c", program],
                                   stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        try:
            os.write(ours, b"world\r")
            self.read_until(ours, b"hello world")
            fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
            process.send_signal(signal.SIGWINCH)
            self.read_until(ours, b"columns=111, lines=33")
            self.assertEqual(process.wait(LIMIT), 0)
        finally:
            process.kill()
            process.wait()
            os.close(ours)

    def read_until(self, terminal, text):
        seen = b""
        while text not in seen:
            self.assertTrue(select.select([terminal], [], [], LIMIT)[0], seen)
            seen += os.read(terminal, 4096)


class Workers(unittest.TestCase):
    def setUp(self):
        if not (PROGRAMS / "process_pool").exists():
            self.skipTest("built without worker functions")

    def test_they_take_numbers_apart_and_outlive_one_that_crashes_on_every_reactor(self):
        for reactor in reactors():
            with self.subTest(reactor=reactor):
                ran = run("process_pool", "--reactor", reactor, "--crash", "360", "0", "1000000007")
                self.assertEqual(ran.returncode, 0, ran.stdout)
                self.assertIn("360 = 2 * 2 * 2 * 3 * 3 * 5\n", ran.stdout)
                self.assertIn("0: zero has no factors\n", ran.stdout)
                self.assertIn("1000000007 = 1000000007\n", ran.stdout)
                self.assertIn("was ended by SIGABRT", ran.stdout)

    def test_a_number_that_takes_too_long_is_told(self):
        # The last prime below 2 to the power of 64: four thousand million divisions.
        ran = run("process_pool", "--milliseconds", "1", "18446744073709551557")
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertIn("took longer than 1 ms", ran.stdout)

    def test_a_worker_without_a_pool_says_what_it_is_for(self):
        ran = run("process_pool", "--weft-worker", stdin=subprocess.DEVNULL)
        self.assertEqual(ran.returncode, 2)
        self.assertIn("processes that a pool of this program starts", ran.stdout)


class Readme(unittest.TestCase):
    """What the README promises of its programs."""

    def lines(self, *names):
        return [line for name in names for line in (HERE / name).read_text().splitlines()]

    def promise(self, most, *names):
        lines = self.lines(*names)
        self.assertLessEqual(len(lines), most)
        self.assertLessEqual(max(map(len, lines)), 100)
        return lines

    def test_the_echo_server_has_at_most_9_lines(self):
        self.assertTrue(all(line.strip() for line in self.promise(9, "readme_echo.cpp")))

    def test_the_publish_subscribe_server_has_at_most_19_lines(self):
        lines = self.promise(19, "readme_pubsub.hpp", "readme_pubsub.cpp")
        self.assertTrue(all(line.strip() for line in lines))

    def test_its_test_has_at_most_15_lines_and_no_reactor(self):
        self.assertNotIn("reactor", "\n".join(self.promise(15, "readme_pubsub_test.cpp")))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        PROGRAMS = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
