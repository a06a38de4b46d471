#!/usr/bin/env python3
"""Sees that the pages tell the truth about the sources, or makes them.

    cmake/check_snippets.py [--write] [root]

Code. Each ```cpp block in README.md, CONTRIBUTING.md and docs/ follows a line that says where it is
cut from:

    <!-- snippet: examples/echo_server.cpp -->                   the whole file
    <!-- snippet: examples/chat.cpp#publish -->                  the part between its marks
    <!-- snippet: examples/echo_server.cpp#server max=9 -->      and at most nine lines of it

A part is marked in the source by a line `// [publish]` before it and a line `// [publish]` after
it, and is shown without its common indentation. --write copies the sources into the pages.

Names. `framework/protocol.cpp:make_connection` in a page promises that this file exists and names
that function; `framework/protocol.hpp` alone promises the file.
"""

import pathlib
import re
import sys
import textwrap

FOLDERS = "framework|transports|reactor|protocols|testing|examples|bench|cmake|docs"
MARK = re.compile(r"<!-- snippet: (\S+?)(?:#(\S+))?(?: max=(\d+))? -->$")
NAMED = re.compile(r"`((?:%s)/[\w/]+\.\w+)(?::(\w+))?(?:\(\))?`" % FOLDERS)


def cut(root, name, part):
    """The lines of a source, or of the marked part of it."""
    path = root / name
    if not path.is_file():
        raise ValueError(f"there is no {name}")
    lines = path.read_text().splitlines()
    if part:
        marks = [i for i, line in enumerate(lines) if line.strip() == f"// [{part}]"]
        if len(marks) != 2:
            raise ValueError(f"{name} needs two lines // [{part}], it has {len(marks)}")
        lines = lines[marks[0] + 1:marks[1]]
    lines = [line for line in lines if not re.fullmatch(r"\s*// \[\w+\]", line)]
    return textwrap.dedent("\n".join(lines)).strip("\n").splitlines()


class Page:
    def __init__(self, root, path):
        self.root = root
        self.path = path
        self.faults = []
        self.lines = path.read_text().splitlines()

    def fault(self, index, text):
        self.faults.append(f"{self.path.relative_to(self.root)}:{index + 1}: {text}")

    def check(self):
        """Finds the faults; returns the page as it should read."""
        should, index = [], 0
        while index < len(self.lines):
            line = self.lines[index]
            if not line.startswith("```"):
                self.check_names(index, line)
                should.append(line)
                index += 1
                continue
            end = next((i for i in range(index + 1, len(self.lines))
                        if self.lines[i].startswith("```")), len(self.lines))
            block = self.lines[index + 1:end]
            if line.startswith(("```cpp", "```c++")):
                block = self.check_block(index, block, should)
            should += [line, *block, *self.lines[end:end + 1]]
            index = end + 1
        return "\n".join(should) + "\n"

    def check_block(self, index, block, above):
        before = next((text for text in reversed(above) if text.strip()), "")
        mark = MARK.match(before.strip())
        if not mark:
            self.fault(index, "say above this block which source it is cut from")
            return block
        name, part, most = mark.groups()
        try:
            source = cut(self.root, name, part)
        except ValueError as error:
            self.fault(index, str(error))
            return block
        if most and len(source) > int(most):
            self.fault(index, f"{name} has {len(source)} lines here; {most} were promised")
        if most and any(not text.strip() for text in source):
            self.fault(index, f"{name} was promised without blank lines")
        if source != block:
            self.fault(index, f"differs from {name}: cmake/check_snippets.py --write copies it")
        return source

    def check_names(self, index, line):
        for name, function in NAMED.findall(line):
            path = self.root / name
            if not path.is_file():
                self.fault(index, f"there is no {name}")
            elif function and not re.search(rf"\b{function}\b", path.read_text()):
                self.fault(index, f"{name} does not name {function}")


def main():
    arguments = sys.argv[1:]
    write = "--write" in arguments
    rest = [a for a in arguments if a != "--write"]
    root = pathlib.Path(rest[0] if rest else ".").resolve()
    pages = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").glob("*.md"))]
    faults = []
    for path in pages:
        if path.is_file():
            page = Page(root, path)
            text = page.check()
            if write and text != path.read_text():
                path.write_text(text)
                page = Page(root, path)
                page.check()
            faults += page.faults
    print("\n".join(faults) if faults else "the pages show what the sources say")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
