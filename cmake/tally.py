#!/usr/bin/env python3
"""Adds up what the tests of one or more build trees reported.

    cmake/tally.py <build directory>...

Each tree has run `ctest --output-junit test-results/ctest.xml`, and each GoogleTest shard has left
test-results/<test>.xml. A shard that failed without naming a failed test (it crashed, hung or
leaked) counts as one failure. The last line is `N passed, N failed`; the exit status is 1 if any
failed, or if nothing ran at all. The stream part of the conformance suite is shown as a table.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

import conformance

RUNNING = re.compile(r"^\[ RUN      \] (\S+)", re.MULTILINE)


class Tally:
    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skipped = []

    def add(self, tree):
        results = tree / "test-results"
        report = results / "ctest.xml"
        if not report.exists():
            self.failures.append(f"{tree.name}: the tests did not build or did not start")
            return
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            name = case.get("name")
            failed = case.get("status") == "fail" or case.find("failure") is not None
            shard = results / f"{name}.xml"
            running = RUNNING.findall(case.findtext("system-out") or "")
            if not failed and case.get("status") not in ("run", None):
                self.skipped.append((f"{tree.name}: {name}", case.get("status")))
            elif shard.exists():
                self.add_shard(tree, name, shard, failed)
            elif failed and running:
                self.failures.append(f"{tree.name}: {name} ended badly in {running[-1]}")
            elif failed:
                self.failures.append(f"{tree.name}: {name}")
            else:
                self.passed += 1

    def add_shard(self, tree, name, shard, ended_badly):
        blamed = False
        try:
            cases = list(ElementTree.parse(shard).getroot().iter("testcase"))
        except ElementTree.ParseError:
            cases = []
        for case in cases:
            title = f"{tree.name}: {case.get('classname')}.{case.get('name')}"
            if case.find("failure") is not None:
                self.failures.append(title)
                blamed = True
            elif case.get("status") == "notrun" or case.get("result") == "suppressed":
                self.skipped.append((title, "disabled"))
            elif case.find("skipped") is not None:
                self.skipped.append((title, first_line(case.find("skipped").get("message"))))
            else:
                self.passed += 1
        if ended_badly and not blamed:
            self.failures.append(f"{tree.name}: {name} ended badly after its tests")


def first_line(text):
    """GoogleTest's message is file:line, then what the test said."""
    lines = [line for line in (text or "").splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def main():
    tally = Tally()
    for tree in map(pathlib.Path, sys.argv[1:]):
        before = (tally.passed, len(tally.failures))
        tally.add(tree)
        print(f"{tree.name}: {tally.passed - before[0]} passed, "
              f"{len(tally.failures) - before[1]} failed")
    for tree in sys.argv[1:]:
        for line in conformance.table(tree):
            print(f"{pathlib.Path(tree).name}: {line}")
    for name, reason in tally.skipped:
        print(f"skipped  {name}: {reason}")
    for name in tally.failures:
        print(f"FAILED   {name}")
    print(f"{tally.passed} passed, {len(tally.failures)} failed")
    return 1 if tally.failures or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
