#!/usr/bin/env python3
"""Writes pages that lie in each way check_snippets.py knows, and sees them caught."""

import pathlib
import tempfile
import unittest

import check_snippets

SOURCE = "int a;\n// [part]\n  int b;\n  int c;\n// [part]\nint d;\n"


class CheckSnippets(unittest.TestCase):
    def page(self, text):
        """What is wrong with a page, and how it should read."""
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name).resolve()
            (root / "examples").mkdir()
            (root / "examples" / "a.cpp").write_text(SOURCE)
            path = root / "README.md"
            path.write_text(text)
            page = check_snippets.Page(root, path)
            should = page.check()
            return "\n".join(page.faults), should

    def block(self, mark, code):
        return f"<!-- snippet: {mark} -->\n```cpp\n{code}\n```\n"

    def test_accepts_a_true_part_without_its_indentation(self):
        self.assertEqual(self.page(self.block("examples/a.cpp#part", "int b;\nint c;"))[0], "")

    def test_accepts_a_whole_file_without_the_marks(self):
        text = self.block("examples/a.cpp", "int a;\n  int b;\n  int c;\nint d;")
        self.assertEqual(self.page(text)[0], "")

    def test_finds_a_difference_and_mends_it(self):
        faults, should = self.page(self.block("examples/a.cpp#part", "int x;"))
        self.assertIn("differs from examples/a.cpp", faults)
        self.assertEqual(should, self.block("examples/a.cpp#part", "int b;\nint c;"))

    def test_finds_code_from_nowhere(self):
        self.assertIn("say above this block", self.page("Hello.\n```cpp\nint b;\n```\n")[0])

    def test_lets_other_languages_be(self):
        self.assertEqual(self.page("```sh\n./run test\n```\n")[0], "")

    def test_finds_a_missing_source(self):
        self.assertIn("there is no b.cpp", self.page(self.block("b.cpp", "int b;"))[0])

    def test_finds_a_missing_mark(self):
        self.assertIn("needs two lines", self.page(self.block("examples/a.cpp#none", "int b;"))[0])

    def test_holds_a_promised_length(self):
        text = self.block("examples/a.cpp#part max=1", "int b;\nint c;")
        self.assertIn("2 lines here; 1 were promised", self.page(text)[0])

    def test_finds_a_file_and_a_function_that_are_gone(self):
        self.assertIn("there is no examples/b.cpp", self.page("See `examples/b.cpp`.\n")[0])
        self.assertIn("does not name run", self.page("See `examples/a.cpp:run()`.\n")[0])
        self.assertEqual(self.page("See `examples/a.cpp:b`.\n")[0], "")


if __name__ == "__main__":
    unittest.main()
