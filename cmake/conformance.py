#!/usr/bin/env python3
"""The stream part of the conformance suite as a table: each transport on each reactor.

    cmake/conformance.py <build directory>

Each cell says how many of the suite's behaviours passed, and how many were skipped by name, since
the carrier has no such thing.
"""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree

REACTORS = ("epoll", "select", "io_uring", "iocp")
ALONE = "in memory"


def transport_and_reactor(kind):
    """"unix_epoll" is UNIX sockets on epoll; "tls_bytes" has no reactor."""
    for reactor in REACTORS:
        if kind.endswith("_" + reactor):
            return kind[:-len(reactor) - 1], reactor
    return kind, ALONE


class Cell:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def __str__(self):
        text = f"{self.passed} of {self.passed + self.failed + self.skipped}"
        return text + (f", {self.failed} FAILED" if self.failed else "")


def read(tree):
    """The cells by transport and reactor."""
    cells = {}
    for path in sorted((pathlib.Path(tree) / "test-results").glob("*.xml")):
        try:
            cases = ElementTree.parse(path).getroot().iter("testcase")
        except ElementTree.ParseError:
            continue
        for case in cases:
            suite = case.get("classname") or ""
            if not suite.endswith("/StreamConformance") or case.get("status") == "notrun":
                continue
            cell = cells.setdefault(transport_and_reactor(case.get("name").rsplit("/", 1)[-1]), Cell())
            if case.find("failure") is not None:
                cell.failed += 1
            elif case.find("skipped") is not None:
                cell.skipped += 1
            else:
                cell.passed += 1
    return cells


def table(tree):
    """The lines of the table; none when the suite did not run."""
    cells = read(tree)
    if not cells:
        return []
    columns = [name for name in (*REACTORS, ALONE) if any(name == reactor for _, reactor in cells)]
    rows = [["stream behaviours passed", *columns]]
    for transport in sorted({transport for transport, _ in cells}):
        rows.append([transport, *(str(cells.get((transport, name), "")) for name in columns)])
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]


if __name__ == "__main__":
    print("\n".join(line for tree in sys.argv[1:] for line in table(tree)))
