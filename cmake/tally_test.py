#!/usr/bin/env python3
"""Shows tally.py what test programs leave behind, and checks what it makes of it."""

import pathlib
import tempfile
import unittest

import tally


class TallyTest(unittest.TestCase):
    def tally(self, cases, shards=None):
        with tempfile.TemporaryDirectory() as name:
            tree = pathlib.Path(name) / "release"
            results = tree / "test-results"
            results.mkdir(parents=True)
            if cases is not None:
                (results / "ctest.xml").write_text(f"<testsuite>{cases}</testsuite>")
            for shard, text in (shards or {}).items():
                (results / f"{shard}.xml").write_text(f"<testsuites>{text}</testsuites>")
            result = tally.Tally()
            result.add(tree)
            return result

    def test_counts_a_plain_test_once(self):
        self.assertEqual(self.tally('<testcase name="layers" status="run"/>').passed, 1)

    def test_counts_the_cases_of_a_shard(self):
        result = self.tally('<testcase name="x.0" status="run"/>', {
            "x.0": '<testcase classname="A" name="b" status="run"/>'
                   '<testcase classname="A" name="c" status="run"/>'})
        self.assertEqual((result.passed, result.failures), (2, []))

    def test_names_a_failed_case(self):
        result = self.tally('<testcase name="x.0" status="fail"/>', {
            "x.0": '<testcase classname="A" name="b" status="run"><failure/></testcase>'})
        self.assertEqual(result.failures, ["release: A.b"])

    def test_names_a_skipped_case_with_its_reason(self):
        result = self.tally('<testcase name="x.0" status="run"/>', {
            "x.0": '<testcase classname="A" name="b" status="run">'
                   '<skipped message="b.cpp:3&#10;not here"/></testcase>'})
        self.assertEqual(result.skipped, [("release: A.b", "not here")])

    def test_names_the_case_that_a_crash_interrupted(self):
        result = self.tally('<testcase name="x.0" status="fail">'
                            "<system-out>[ RUN      ] A.b\n[       OK ] A.b\n[ RUN      ] A.c\n"
                            "</system-out></testcase>")
        self.assertEqual(result.failures, ["release: x.0 ended badly in A.c"])

    def test_counts_a_leak_after_the_last_case(self):
        result = self.tally('<testcase name="x.0" status="fail"/>', {
            "x.0": '<testcase classname="A" name="b" status="run"/>'})
        self.assertEqual((result.passed, len(result.failures)), (1, 1))

    def test_counts_a_tree_that_did_not_build(self):
        self.assertEqual(len(self.tally(None).failures), 1)


if __name__ == "__main__":
    unittest.main()
