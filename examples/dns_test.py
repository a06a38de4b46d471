#!/usr/bin/env python3
"""Compares what the example dns_lookup says with what dig says, of a dnsmasq that runs for the test.

    examples/dns_test.py build/release/examples
"""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import unittest

PROGRAMS = pathlib.Path(".")
LIMIT = 20  # seconds; a bound on what should take none, not a wait
# Where Debian has dnsmasq, which is not in everybody's PATH.
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
DNSMASQ, DIG = shutil.which("dnsmasq", path=PATH), shutil.which("dig", path=PATH)

ZONE = ["--host-record=both.test,192.0.2.1,2001:db8::1", "--host-record=two.test,192.0.2.2",
        "--host-record=two.test,192.0.2.3", "--cname=alias.test,both.test",
        "--mx-host=test,mail.test,10", "--mx-host=test,backup.test,20",
        "--srv-host=_imap._tcp.test,mail.test,993,10,0",
        "--srv-host=_imap._tcp.test,backup.test,994,20,0",
        "--txt-record=text.test,v=spf1,two words", "--txt-record=text.test,another",
        "--ptr-record=9.2.0.192.in-addr.arpa,nine.test"]
ZONE += [f"--txt-record=long.test,{number:0250}" for number in range(20)]

QUESTIONS = [("both.test", "A"), ("both.test", "AAAA"), ("two.test", "A"), ("alias.test", "A"),
             ("test", "MX"), ("_imap._tcp.test", "SRV"), ("text.test", "TXT"), ("long.test", "TXT"),
             ("192.0.2.9", "PTR"), ("2001:db8::1", "PTR")]


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def dnsmasq():
    """A server of ZONE; gives its port."""
    for _ in range(10):
        port = free_port()
        process = subprocess.Popen(
            [DNSMASQ, "--no-daemon", "--conf-file=/dev/null", "--pid-file=", "--log-facility=-",
             f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv",
             "--no-hosts", "--local=/test/", "--local-ttl=60", *ZONE],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            # It ends without that word when somebody else has taken the port.
            if any("started" in line for line in process.stderr):
                yield port
                return
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
    raise RuntimeError("dnsmasq does not start")


def look_up(port, name, record_type, *arguments):
    return subprocess.run([PROGRAMS / "dns_lookup", name, record_type, "--server",
                           f"127.0.0.1:{port}", *arguments], timeout=LIMIT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def dig(port, name, record_type):
    """The records that dig finds, each as its TTL and its data."""
    what = ["-x", name] if record_type == "PTR" else [name, record_type]
    ran = subprocess.run([DIG, "@127.0.0.1", "-p", str(port), "+noall", "+answer", *what],
                         timeout=LIMIT, text=True, stdout=subprocess.PIPE, check=True)
    found = re.findall(rf"^\S+\s+(\d+)\s+IN\s+{record_type}\s+(.*)$", ran.stdout, re.MULTILINE)
    return sorted(" ".join(each) for each in found)


@unittest.skipUnless(DNSMASQ and DIG, "dnsmasq or dig is not installed")
class Lookup(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.running = contextlib.ExitStack()
        cls.port = cls.running.enter_context(dnsmasq())

    @classmethod
    def tearDownClass(cls):
        cls.running.close()

    def reactors(self):
        text = " ".join(subprocess.run([PROGRAMS / "dns_lookup", "--help"], timeout=LIMIT, text=True,
                                       stdout=subprocess.PIPE).stdout.split())
        return re.search(r"one of: (\w+(?:, \w+)*)", text).group(1).split(", ")

    def test_finds_what_dig_finds_for_each_type_on_every_reactor(self):
        for name, record_type in QUESTIONS:
            expected = dig(self.port, name, record_type)
            self.assertTrue(expected, name)
            for reactor in self.reactors():
                with self.subTest(name=name, type=record_type, reactor=reactor):
                    ran = look_up(self.port, name, record_type, "--reactor", reactor)
                    self.assertEqual(ran.returncode, 0, ran.stdout)
                    self.assertEqual(sorted(ran.stdout.splitlines()), expected)

    def test_gives_the_best_first(self):
        for name, record_type in (("test", "MX"), ("_imap._tcp.test", "SRV")):
            lines = look_up(self.port, name, record_type).stdout.splitlines()
            self.assertIn("mail.test.", lines[0])
            self.assertIn("backup.test.", lines[1])

    def test_says_that_a_name_or_a_record_does_not_exist(self):
        for name, said in (("unknown.test.", "does not exist"), ("two.test.", "has no AAAA record")):
            ran = look_up(self.port, name, "AAAA")
            self.assertEqual(ran.returncode, 1)
            self.assertIn(said, ran.stdout)
            self.assertIn(name, ran.stdout)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        PROGRAMS = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
