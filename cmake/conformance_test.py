#!/usr/bin/env python3
"""Shows conformance.py what the suite leaves behind, and reads the table that it makes of it."""

import pathlib
import tempfile
import unittest

import conformance


def case(behaviour, kind, inside=""):
    return (f'<testcase classname="X/StreamConformance" name="{behaviour}/{kind}" status="run">'
            f"{inside}</testcase>")


class ConformanceTest(unittest.TestCase):
    def table(self, *cases):
        with tempfile.TemporaryDirectory() as name:
            results = pathlib.Path(name) / "test-results"
            results.mkdir()
            (results / "a.0.xml").write_text(f"<testsuites>{''.join(cases)}</testsuites>")
            return conformance.table(name)

    def test_has_a_row_for_each_transport_and_a_column_for_each_reactor(self):
        self.assertEqual(self.table(case("A", "tcp_epoll"), case("B", "tcp_epoll"),
                                    case("A", "unix_io_uring"), case("A", "tls_bytes")),
                         ["stream behaviours passed  epoll   io_uring  in memory",
                          "tcp                       2 of 2",
                          "tls_bytes                                   1 of 1",
                          "unix                              1 of 1"])

    def test_counts_what_is_skipped_and_names_what_failed(self):
        self.assertEqual(self.table(case("A", "tcp_epoll", "<skipped/>"), case("B", "tcp_epoll"),
                                    case("C", "tcp_epoll", "<failure/>"))[1],
                         "tcp                       1 of 3, 1 FAILED")

    def test_is_none_of_another_suite(self):
        self.assertEqual(self.table('<testcase classname="A" name="b" status="run"/>'), [])


if __name__ == "__main__":
    unittest.main()
