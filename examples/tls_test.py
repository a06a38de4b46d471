#!/usr/bin/env python3
"""Runs the examples with TLS beside what others use: openssl, curl, HAProxy and Python.

    examples/tls_test.py build/release/examples
"""

import contextlib
import pathlib
import re
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

import examples_test as examples
from examples_test import LIMIT, haproxy, reactors, serving
from tls_certificates import Certificates

LOOPBACK = "127.0.0.1"
VERSIONS = ("1.2", "1.3")
certificates = None


def setUpModule():
    global certificates
    if not shutil.which("openssl"):
        raise unittest.SkipTest("openssl is not installed")
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    certificates = Certificates(folder.name)


class Running:
    """A program whose output is read as it comes; it is killed when it takes too long."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                                        **options)
        self.output = b""
        self.errors = b""
        self.watchdog = threading.Timer(LIMIT, self.process.kill)
        self.watchdog.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.watchdog.cancel()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()

    def say(self, text):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()

    def hear(self, text):
        """Reads until the output has `text`, or ends."""
        while text.encode() not in self.output:
            piece = self.process.stdout.read1()
            if not piece:
                break
            self.output += piece
        return text.encode() in self.output

    def hear_error(self, text):
        """Reads what the log says until it has `text`, and forgets that."""
        while text.encode() not in self.errors:
            piece = self.process.stderr.read1()
            if not piece:
                raise AssertionError(f"not said: {text}\n{self.errors.decode()}")
            self.errors += piece
        self.errors = self.errors.split(text.encode(), 1)[1]

    def end(self):
        """All that was still to come, and the exit status."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.output += self.process.stdout.read()
        return self.process.wait()

    @property
    def text(self):
        return self.output.decode(errors="replace")


class Server(Running):
    """One of our servers on TLS, with what it says of failed handshakes."""

    def __init__(self, program, *arguments, listen="", around="tls:0:interface=127.0.0.1"):
        text = f"{around}:cert={certificates.file('good')}{listen}"
        super().__init__([examples.PROGRAMS / program, "--listen", text, *arguments],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline().decode().strip()
        if not line:
            told = self.process.stderr.read().decode()
            self.__exit__()
            raise RuntimeError(f"{program} does not listen: {told}")
        self.port = int(line.rsplit(":", 1)[1]) if line[-1:].isdigit() else None


def s_client(port, *arguments):
    return Running(["openssl", "s_client", "-connect", f"{LOOPBACK}:{port}", "-CAfile",
                    certificates.file("ca"), "-verify_return_error", *arguments],
                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def converse(port, *arguments, say="hello\n"):
    """What s_client tells, once what it said has come back or it has given up."""
    with s_client(port, *arguments) as client:
        client.say(say)
        if client.hear(say):
            client.say("Q\n")
        client.end()
        return client.text


@contextlib.contextmanager
def s_server(certificate="good", *arguments):
    """openssl's server, which sends lines back reversed; gives its port and itself."""
    with Running(["openssl", "s_server", "-accept", f"{LOOPBACK}:0", "-cert",
                  certificates.file(certificate), "-rev", *arguments],
                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        server.hear("ACCEPT")
        while not (found := re.search(r"ACCEPT \S*:(\d+)\n", server.text)):
            if not (piece := server.process.stdout.read1()):
                raise RuntimeError(server.text)
            server.output += piece
        yield int(found.group(1)), server


def tls_client(target, *arguments, trust="ca", say="hello\n"):
    """The exit status of our client, what came back, and what it told."""
    trusting = ["--trust", str(certificates.file(trust))] if trust else []
    done = subprocess.run([examples.PROGRAMS / "tls_client", "--connect", target, *trusting,
                           *map(str, arguments)], input=say, capture_output=True, text=True,
                          timeout=LIMIT)
    return done.returncode, done.stdout, done.stderr


def peer_context():
    return ssl.create_default_context(cafile=certificates.file("ca"))


class Peer:
    """A client of Python's, which can end its direction alone."""

    def __init__(self, port, context=None):
        self.socket = socket.create_connection((LOOPBACK, port), timeout=LIMIT)
        self.input, self.output = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or peer_context()).wrap_bio(self.input, self.output,
                                                        server_hostname="localhost")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def step(self, operation):
        """What it gives; None when it waits for the other side."""
        try:
            return operation()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def converse(self, data):
        """Sends all, ends our direction, and gives all that comes back."""
        self.socket.setblocking(False)
        answer, unsent, rest, ended = bytearray(), b"", memoryview(data), False
        while True:
            while not ended and len(unsent) < 1 << 20:
                if rest:
                    count = self.step(lambda: self.tls.write(rest[:16384]))
                    if not count:
                        break
                    rest = rest[count:]
                else:
                    if self.step(self.tls.version) is None:
                        break
                    self.step(self.tls.unwrap)
                    ended = True
                unsent += self.output.read()
            unsent += self.output.read()
            ready, room, _ = select.select([self.socket], [self.socket] if unsent else [], [], LIMIT)
            if room:
                unsent = unsent[self.socket.send(unsent):]
            if ready:
                piece = self.socket.recv(1 << 18)
                if not piece:
                    raise ConnectionError("it ended without a goodbye")
                self.input.write(piece)
            try:
                while (read := self.step(lambda: self.tls.read(1 << 18))) is not None:
                    if not read:
                        return bytes(answer)
                    answer += read
            except ssl.SSLZeroReturnError:
                return bytes(answer)


class OurServer(unittest.TestCase):
    """echo_server, and others' clients."""

    @classmethod
    def setUpClass(cls):
        ca, crl = certificates.file("ca"), certificates.file("crl")
        cls.plain = cls.serve(f":sni={certificates.file('other')}:alpn=h2,echo")
        cls.required = cls.serve(f":client_cert=required:trust={ca}:revoked={crl}")
        cls.optional = cls.serve(f":client_cert=optional:trust={ca}")

    @classmethod
    def serve(cls, listen):
        server = Server("echo_server", listen=listen)
        cls.addClassCleanup(server.__exit__)
        return server

    def test_talks_both_versions_and_is_verified(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                told = converse(self.plain.port, f"-tls{version.replace('.', '_')}",
                                "-verify_hostname", "localhost")
                self.assertIn(f"New, TLSv{version}, Cipher is", told)
                self.assertIn("Verification: OK", told)
                self.assertIn("hello\n", told)

    def test_refuses_older_versions(self):
        for version in ("-tls1", "-tls1_1"):
            with self.subTest(version=version):
                told = converse(self.plain.port, version, "-cipher", "DEFAULT@SECLEVEL=0")
                self.assertIn("alert protocol version", told)
                self.plain.hear_error("no version of TLS in common")

    def test_chooses_the_application_protocol(self):
        self.assertIn("ALPN protocol: echo\n", converse(self.plain.port, "-alpn", "chat,echo"))
        self.assertIn("ALPN protocol: h2\n", converse(self.plain.port, "-alpn", "echo,h2"))
        self.assertIn("No ALPN negotiated", converse(self.plain.port))

    def test_refuses_who_wants_only_other_application_protocols(self):
        told = converse(self.plain.port, "-alpn", "chat")
        self.assertIn("no application protocol", told)
        self.plain.hear_error("no application protocol (ALPN) in common")

    def test_shows_the_certificate_of_the_name_that_is_asked_for(self):
        for name, subject in (("localhost", "localhost"), ("other.test", "other.test"),
                              ("OTHER.test", "other.test"), ("unknown.test", "localhost")):
            with self.subTest(name=name):
                told = converse(self.plain.port, "-servername", name)
                self.assertIn(f"subject=CN = {subject}\n", told)

    def test_asks_for_no_certificate_unless_told_to(self):
        self.assertIn("No client certificate CA names sent", converse(self.plain.port))

    def test_takes_a_good_certificate_of_a_client(self):
        for server in (self.required, self.optional):
            for version in VERSIONS:
                with self.subTest(version=version):
                    told = converse(server.port, f"-tls{version.replace('.', '_')}", "-cert",
                                    certificates.file("client"))
                    self.assertIn("CN = the authority", told)
                    self.assertIn("hello\n", told)

    def test_needs_a_certificate_of_a_client_only_where_it_is_required(self):
        self.assertIn("hello\n", converse(self.optional.port))
        for version in VERSIONS:
            with self.subTest(version=version):
                told = converse(self.required.port, f"-tls{version.replace('.', '_')}")
                self.assertNotIn("hello\n", told)
                self.assertRegex(told, "alert (handshake failure|certificate required)")
                self.required.hear_error("showed no certificate, and one is required")

    def test_refuses_bad_certificates_of_clients_and_says_why(self):
        for name, complaint in (("self_signed", "CN=localhost.*is self-signed"),
                                ("unknown_issuer", "signed by an unknown issuer, CN=a stranger"),
                                ("expired", "CN=localhost.*has expired on 2021-01-01"),
                                ("early", "is not yet valid before 2098-01-01"),
                                ("server_only", "CN=bob.*must not be used for the purpose of a "
                                                "client"),
                                ("revoked", "has been revoked by CN=the authority")):
            for server in (self.required, self.optional):
                if name == "revoked" and server is self.optional:
                    continue
                with self.subTest(name=name, required=server is self.required):
                    told = converse(server.port, "-cert", certificates.file(name))
                    self.assertNotIn("hello\n", told)
                    self.assertIn("alert", told)
                    line = server.process.stderr.readline().decode()
                    self.assertRegex(line, complaint)

    def test_takes_up_sessions_again(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                session = certificates.folder / "session"
                switch = f"-tls{version.replace('.', '_')}"
                self.assertIn("New, TLS", converse(self.plain.port, switch, "-sess_out", session))
                for _ in range(2):
                    self.assertIn(f"Reused, TLSv{version}",
                                  converse(self.plain.port, switch, "-sess_in", session))

    def test_takes_up_sessions_of_clients_with_certificates_again(self):
        session = certificates.folder / "session"
        arguments = ["-cert", certificates.file("client")]
        self.assertIn("New, TLS", converse(self.required.port, *arguments, "-sess_out", session))
        told = converse(self.required.port, *arguments, "-sess_in", session)
        self.assertIn("Reused, TLS", told)
        self.assertIn("hello\n", told)

    def test_takes_up_a_session_five_times_in_a_row(self):
        told = converse(self.plain.port, "-tls1_2", "-reconnect")
        self.assertEqual(told.count("Reused, TLSv1.2"), 5, told)

    def test_goes_on_when_keys_are_changed(self):
        for letter in ("k", "K"):
            with self.subTest(letter=letter), s_client(self.plain.port, "-tls1_3") as client:
                client.say("before\n")
                self.assertTrue(client.hear("before\n"), client.text)
                client.say(f"{letter}\n")
                self.assertTrue(client.hear("KEYUPDATE\n"), client.text)
                client.say("after\n")
                self.assertTrue(client.hear("after\n"), client.text)
                client.say("Q\n")
                client.end()

    def test_refuses_to_renegotiate(self):
        with s_client(self.plain.port, "-tls1_2") as client:
            client.say("before\n")
            self.assertTrue(client.hear("before\n"), client.text)
            client.say("R\n")
            client.end()
            self.assertIn("no renegotiation", client.text)
        self.assertIn("hello\n", converse(self.plain.port))

    def test_answers_in_full_who_has_half_closed_on_every_reactor(self):
        request = bytes(range(256)) * 8192
        for reactor in reactors():
            for version in VERSIONS:
                with self.subTest(reactor=reactor, version=version), \
                        Server("echo_server", "--reactor", reactor) as server:
                    context = peer_context()
                    context.maximum_version = ssl.TLSVersion[f"TLSv{version.replace('.', '_')}"]
                    with Peer(server.port, context) as peer:
                        self.assertEqual(peer.converse(request), request)

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_tells_plain_http_from_tls(self):
        done = subprocess.run(["curl", "-s", f"http://{LOOPBACK}:{self.plain.port}/"],
                              capture_output=True, timeout=LIMIT)
        self.assertNotEqual(done.returncode, 0)
        self.plain.hear_error("speaks plain HTTP to a port for TLS; it must use https")

    def test_refuses_what_is_no_tls(self):
        with examples.connect(self.plain.port) as connection:
            connection.sendall(b"\x00\x01\x02 nonsense of some length")
            with contextlib.suppress(ConnectionError):
                examples.read_all(connection)
        self.plain.hear_error("is no TLS")


class OurClient(unittest.TestCase):
    """tls_client, and others' servers."""

    def test_tells_what_was_settled_and_with_whom(self):
        for version in VERSIONS:
            with self.subTest(version=version), s_server("good", "-alpn", "h2,echo") as (port, _):
                status, came, told = tls_client(f"localhost:{port}", "--alpn", "chat,echo",
                                                "--max_version", version)
                self.assertEqual((status, came), (0, "olleh\n"), told)
                for what, value in (("version", f"TLSv{version}"), ("cipher", ".*GCM_?SHA384|.*-SHA384"),
                                    ("ALPN", "echo"), ("session", "new"), ("verified", "yes"),
                                    ("subject", "CN=localhost"), ("issuer", "CN=the authority"),
                                    ("name", "DNS:localhost"), ("name", "IP:127.0.0.1"),
                                    ("fingerprint", certificates.fingerprint("good"))):
                    self.assertRegex(told, f"(?m)^{what}: +({value})$")

    def test_verifies_addresses_too(self):
        with s_server() as (port, _):
            self.assertEqual(tls_client(f"{LOOPBACK}:{port}")[:2], (0, "olleh\n"))

    def test_refuses_bad_certificates_and_says_why(self):
        for name, complaint in (("self_signed", "is self-signed, and not trusted"),
                                ("unknown_issuer", "was signed by an unknown issuer, CN=a stranger"),
                                ("expired", "has expired on 2021-01-01"),
                                ("early", "is not yet valid before 2098-01-01"),
                                ("wrong_purpose", "must not be used for the purpose of a server"),
                                ("other", "is made out for DNS:other.test and not for localhost"),
                                ("revoked", "has been revoked by CN=the authority")):
            for version in VERSIONS:
                with self.subTest(name=name, version=version), s_server(name) as (port, _):
                    more = ["--revoked", certificates.file("crl")] if name == "revoked" else []
                    status, came, _ = tls_client(f"localhost:{port}", "--max_version", version, *more)
                    subject = "other.test" if name == "other" else "localhost"
                    self.assertEqual(status, 1)
                    self.assertIn(f"The certificate of CN={subject}, shown by {LOOPBACK}:{port}, "
                                  f"{complaint}", came)

    def test_trusts_nobody_whom_the_system_does_not(self):
        with s_server() as (port, _):
            status, came, _ = tls_client(f"localhost:{port}", trust=None)
            self.assertEqual(status, 1)
            self.assertIn("unknown issuer, CN=the authority", came)

    def test_takes_anybody_when_told_to(self):
        with s_server("self_signed") as (port, _):
            status, came, told = tls_client(f"localhost:{port}", "--insecurely", trust=None)
            self.assertEqual((status, came), (0, "olleh\n"), told)
            self.assertRegex(told, "verified: +NO")

    def test_shows_its_certificate(self):
        asking = ["-Verify", "1", "-verify_return_error", "-CAfile", certificates.file("ca")]
        for version in VERSIONS:
            with self.subTest(version=version), s_server("good", *asking) as (port, server):
                status, came, told = tls_client(f"localhost:{port}", "--max_version", version,
                                                "--cert", certificates.file("client"))
                self.assertEqual((status, came), (0, "olleh\n"), told)
                self.assertTrue(server.hear("Peer certificate: CN = ann"))

    def test_is_told_that_its_certificate_is_missing_or_bad(self):
        asking = ["-Verify", "1", "-verify_return_error", "-CAfile", certificates.file("ca")]
        for version in VERSIONS:
            for name, complaint in ((None, "does not accept|and certificates of both sides"),
                                    ("unknown_issuer", "does not accept our certificate of "
                                     "CN=localhost: its issuer is unknown to the peer"),
                                    ("expired", "does not accept our certificate of CN=localhost: "
                                                "it has expired")):
                with self.subTest(version=version, name=name), \
                        s_server("good", *asking) as (port, _):
                    more = ["--cert", certificates.file(name)] if name else []
                    status, came, told = tls_client(f"localhost:{port}", "--max_version", version,
                                                    *more)
                    self.assertEqual(status, 1)
                    self.assertRegex(came + told, complaint)

    def test_has_no_version_in_common_with_who_is_too_old(self):
        with s_server("good", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0") as (port, _):
            status, came, _ = tls_client(f"localhost:{port}")
            self.assertEqual(status, 1)
            self.assertIn("no version of TLS in common", came)

    def test_has_no_application_protocol_in_common(self):
        with s_server("good", "-alpn", "h2") as (port, _):
            status, came, _ = tls_client(f"localhost:{port}", "--alpn", "chat")
            self.assertEqual(status, 1)
            self.assertIn("no application protocol (ALPN) in common", came)

    def test_tells_an_end_that_was_cut_off(self):
        with s_server() as (port, server), \
                Running([examples.PROGRAMS / "tls_client", "--connect", f"localhost:{port}",
                         "--trust", certificates.file("ca")],
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
            client.say("hello\n")
            self.assertTrue(client.hear("olleh\n"))
            server.process.kill()
            client.hear_error("without a goodbye (close_notify)")
            self.assertEqual(client.end(), 1)

    def test_ends_soon_at_a_plain_port(self):
        with serving("echo_server") as (_, port):
            status, came, _ = tls_client(f"localhost:{port}")
            self.assertEqual(status, 1)
            self.assertRegex(came, "is no TLS|failed")
        with serving("chat_server") as (_, port):
            status, came, _ = tls_client(f"localhost:{port}")
            self.assertEqual(status, 1)
            self.assertIn("is no TLS", came)

    def test_needs_a_name_to_verify_by_where_there_is_no_host(self):
        status, _, told = tls_client("unix:/nowhere")
        self.assertEqual(status, 1)
        self.assertIn('whoever is reached this way needs a "server_name"', told)


class Between(unittest.TestCase):
    """TLS at one end of something else."""

    @contextlib.contextmanager
    def web(self):
        """A web server of Python's; gives its port."""
        with Running([sys.executable, "-u", "-m", "http.server", "--bind", LOOPBACK, "0",
                      "--directory", certificates.folder],
                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
            server.hear(")")
            yield int(re.search(r"port (\d+)", server.text).group(1))

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_the_proxy_ends_tls_for_a_server_without(self):
        with self.web() as web, \
                Server("proxy", "--to", f"tcp:{LOOPBACK}:{web}", listen=":alpn=http/1.1") as proxy:
            done = subprocess.run(["curl", "-sv", "--cacert", certificates.file("ca"),
                                   f"https://localhost:{proxy.port}/ca.crt"],
                                  capture_output=True, timeout=LIMIT)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, certificates.file("ca").read_bytes())
            self.assertIn(b"server accepted http/1.1", done.stderr)

    def test_the_proxy_talks_tls_to_its_backend_and_takes_up_sessions(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.file("good"))
        reused = []

        def answer(listening):
            for _ in range(3):
                with context.wrap_socket(listening.accept()[0], server_side=True) as connection:
                    connection.sendall(connection.recv(100))
                    reused.append(connection.session_reused)
                    with contextlib.suppress(OSError):
                        connection.unwrap()

        with socket.create_server((LOOPBACK, 0)) as listening:
            listening.settimeout(LIMIT)
            backend = threading.Thread(target=answer, args=[listening])
            backend.start()
            to = f"tls:localhost:{listening.getsockname()[1]}:trust={certificates.file('ca')}"
            with serving("proxy", "--to", to) as (_, port):
                for _ in range(3):
                    with examples.connect(port) as connection:
                        connection.sendall(b"hello")
                        self.assertEqual(examples.read_all(connection), b"hello")
            backend.join()
        self.assertEqual(reused, [False, True, True])

    @unittest.skipUnless(shutil.which("haproxy"), "haproxy is not installed")
    def test_a_proxy_in_front_announces_clients_before_tls_begins(self):
        for reactor in reactors():
            with self.subTest(reactor=reactor), \
                    Server("echo_server", "--reactor", reactor,
                           around="haproxy:tls:0:interface=127.0.0.1") as echo, \
                    haproxy("  default_backend b\nbackend b\n"
                            f"  server s {LOOPBACK}:{echo.port} send-proxy-v2\n") as port:
                status, came, told = tls_client(f"localhost:{port}")
                self.assertEqual((status, came), (0, "hello\n"), told)

    def test_our_proxy_announces_clients_before_tls_begins(self):
        with Server("echo_server", around="haproxy:tls:0:interface=127.0.0.1") as echo:
            to = f"tls:localhost:{echo.port}:trust={certificates.file('ca')}"
            for version in (1, 2):
                with self.subTest(version=version), \
                        serving("proxy", "--to", to, "--announce", version) as (_, port):
                    self.assertEqual(examples.converse(port, b"hello"), b"hello")

    @unittest.skipUnless(shutil.which("haproxy"), "haproxy is not installed")
    def test_a_proxy_in_front_may_talk_tls_itself(self):
        with Server("echo_server") as echo, \
                haproxy("  default_backend b\nbackend b\n"
                        f"  server s {LOOPBACK}:{echo.port} ssl verify required sni str(localhost) "
                        f"ca-file {certificates.file('ca')}\n") as port:
            self.assertEqual(examples.converse(port, b"hello"), b"hello")

    def test_tls_goes_over_unix_sockets_on_every_reactor(self):
        for reactor in reactors():
            # The kernel may hold a killed server's socket for a moment, io_uring's above all.
            path = certificates.folder / f"{reactor}.socket"
            with self.subTest(reactor=reactor), \
                    Server("echo_server", "--reactor", reactor, around=f"tls:over=[unix:{path}]"):
                status, came, told = tls_client(f"unix:{path}", "--server_name", "localhost",
                                                "--reactor", reactor)
                self.assertEqual((status, came), (0, "hello\n"), told)

    @unittest.skipUnless(shutil.which("nc"), "nc is not installed")
    def test_tls_goes_over_the_pipes_of_a_program_on_every_reactor(self):
        with Server("echo_server") as echo:
            for reactor in reactors():
                with self.subTest(reactor=reactor):
                    status, came, told = tls_client(f"process:nc:{LOOPBACK}:{echo.port}",
                                                    "--server_name", "localhost", "--reactor", reactor)
                    self.assertEqual((status, came), (0, "hello\n"), told)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        examples.PROGRAMS = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
