#!/usr/bin/env python3
"""Holds the arrows between weft's folders, and the shape of its files, by reading every include.

    cmake/check_includes.py [root]

Prints one line for each fault, as path:line: what is wrong, and exits with 1 when there is any.
"""

import os
import pathlib
import re
import sys

# What a folder may include of ours, and which others it may name outside the standard library.
LAYERS = {
    "framework": set(),
    "transports": {"framework"},
    "reactor": {"framework", "transports"},
    "protocols": {"framework"},
    "testing": {"framework"},
}
# What its tests may include besides; those of reactors try protocols on real connections too.
TESTS_TOO = {"reactor": {"testing", "protocols"}}
THIRD_PARTY = {
    "framework": {"spdlog"},
    "transports": {"asio", "openssl", "cares", "cereal", "os"},
    "reactor": {"asio", "os"},
    "protocols": {"codec"},
    "testing": set(),
}
FAMILIES = [
    ("spdlog", re.compile(r"(spdlog|fmt)/")),
    ("codec", re.compile(r"(boost/beast|nghttp2)/|boost/beast\.hpp")),
    ("asio", re.compile(r"boost/|liburing\.h")),
    ("openssl", re.compile(r"openssl/")),
    ("cereal", re.compile(r"cereal/")),
    ("cares", re.compile(r"ares(_\w+)?\.h$")),
    ("googletest", re.compile(r"(gtest|gmock)/")),
    ("compiler", re.compile(r"(cxxabi|execinfo|[a-z]+intrin)\.h$")),
    ("std", re.compile(r"[a-z_]+$")),
    ("os", re.compile(r".*\.h$")),
]
# What only one file may name.
ONE_DOOR = {"cereal": "transports/detail/worker_values.hpp"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
MAX_FILE_LINES = 800


def family_of(name):
    for family, pattern in FAMILIES:
        if pattern.match(name):
            return family
    return "unknown"


def gtest_headers(root):
    """The headers of the test kit that are listed as needing GoogleTest."""
    listing = root / "testing" / "CMakeLists.txt"
    if not listing.exists():
        return set()
    found = re.search(r"\bGTEST_HEADERS\b([^A-Z)]*)", listing.read_text())
    return {"testing/" + name for name in found.group(1).split()} if found else set()


class Checker:
    def __init__(self, root):
        self.root = root
        self.faults = []
        self.edges = {}
        self.gtest_headers = gtest_headers(root)

    def fault(self, path, line, text):
        self.faults.append(f"{path.relative_to(self.root)}:{line}: {text}")

    def run(self):
        for folder in LAYERS:
            for path in self.sources(folder):
                self.check_file(folder, path)
        for folder in ("examples", "bench"):
            for path in self.sources(folder):
                self.check_user_file(folder, path)
        self.check_installed()
        self.check_circles()
        return self.faults

    def sources(self, folder):
        return sorted(p for p in (self.root / folder).rglob("*") if p.suffix in (".hpp", ".cpp"))

    def includes(self, path):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1) == '"', match.group(2)

    def check_file(self, folder, path):
        self.check_shape(folder, path)
        self.check_listed(folder, path)
        is_test = path.stem.endswith("_test")
        for number, quoted, name in self.includes(path):
            if quoted:
                self.check_relative(folder, path, number, name, is_test)
            elif name.startswith("weft/"):
                self.fault(path, number, f"inside the library includes are relative, not <{name}>")
            else:
                self.check_outside(folder, path, number, name, is_test)

    def check_relative(self, folder, path, number, name, is_test):
        target = (path.parent / name).resolve()
        if not target.is_file():
            self.fault(path, number, f'there is no "{name}" here')
            return
        shortest = os.path.relpath(target, path.parent)
        if name != shortest:
            self.fault(path, number, f'"{name}" is shorter as "{shortest}"')
        owner = target.relative_to(self.root).parts[0]
        allowed = LAYERS[folder] | {folder} | (TESTS_TOO.get(folder, {"testing"}) if is_test else set())
        if owner not in allowed:
            self.fault(path, number, f"{folder}/ may not include {owner}/")
        self.edges.setdefault(path, []).append((number, target))

    def check_outside(self, folder, path, number, name, is_test):
        family = family_of(name)
        relative = str(path.relative_to(self.root))
        if family == "std" or (family == "compiler" and path.suffix == ".cpp"):
            return
        if family == "googletest":
            in_kit = folder == "testing" and (
                relative in self.gtest_headers or path.suffix == ".cpp" or "detail" in path.parts)
            if not is_test and not in_kit:
                self.fault(path, number, "GoogleTest belongs in tests and in the kit's gtest headers")
            return
        if is_test and family == "os" and folder in ("transports", "reactor", "testing"):
            return
        if relative != ONE_DOOR.get(family, relative):
            self.fault(path, number, f"<{name}> comes in by {ONE_DOOR[family]} alone")
        elif family not in THIRD_PARTY[folder]:
            self.fault(path, number, f"{folder}/ may not name <{name}>")
        elif path.suffix == ".hpp" and "detail" not in path.parts:
            self.fault(path, number, f"<{name}> belongs in a .cpp or in detail/, not a public header")

    def check_user_file(self, folder, path):
        for number, quoted, name in self.includes(path):
            if quoted and not (path.parent / name).is_file():
                self.fault(path, number, f'users write <weft/...>; there is no "{name}" here')
            elif folder == "bench" and name.startswith("../") and name.endswith("_test.hpp"):
                continue  # Benchmarks may use what our own tests count with.
            elif quoted and not (path.parent / name).resolve().is_relative_to(self.root / folder):
                self.fault(path, number, f"users write <weft/...>, not \"{name}\"")

    def check_shape(self, folder, path):
        lines = path.read_text().splitlines()
        if path.suffix == ".hpp":
            code = next((i for i, text in enumerate(lines) if not text.startswith("//")), 0)
            if not lines or not re.match(r"// \S", lines[0]):
                self.fault(path, 1, "the first line of a header says in a sentence what it gives")
            elif code >= len(lines) or lines[code] != "#pragma once":
                self.fault(path, code + 1, "#pragma once comes right after the header's sentence")
        elif lines and lines[0].startswith(("//", "/*")):
            self.fault(path, 1, "a .cpp has no opening comment")
        if len(lines) > MAX_FILE_LINES:
            self.fault(path, len(lines), f"more than {MAX_FILE_LINES} lines")
        for number, text in enumerate(lines, 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", text):
                self.fault(path, number, "write TODO(#issue), or do it")

    def check_listed(self, folder, path):
        """A header for detail/ or for tests need not be listed, unless a public one includes it."""
        inner = "detail" in path.parts or path.stem.endswith("_test")
        if not self.listed(path) and not (path.suffix == ".hpp" and inner):
            self.fault(path, 1, f"{folder}/CMakeLists.txt does not list it")

    def listed(self, path):
        relative = path.relative_to(self.root)
        listing = self.root / relative.parts[0] / "CMakeLists.txt"
        if not listing.exists():
            return True
        names = re.split(r"[\s():<>]+", listing.read_text())
        within = pathlib.PurePath(*relative.parts[1:])
        # epoll_x.cpp is built in the place of x.cpp, which is listed.
        common = within.with_name(re.sub(r"^(epoll|select|io_uring|iocp)_", "", within.name))
        return within.as_posix() in names or common.as_posix() in names

    def check_installed(self):
        public = [p for p in self.edges if p.suffix == ".hpp" and "detail" not in p.parts
                  and not p.stem.endswith("_test")]
        reached = set()
        while public:
            path = public.pop()
            for number, target in self.edges.get(path, []):
                if target not in reached:
                    reached.add(target)
                    public.append(target)
                    if not self.listed(target):
                        self.fault(path, number, f"{target.name} must be listed to be installed")

    def check_circles(self):
        done, trail = set(), []

        def visit(path):
            if path in trail:
                circle = " -> ".join(p.name for p in trail[trail.index(path):] + [path])
                self.fault(path, 1, f"includes go in a circle: {circle}")
                return
            if path in done:
                return
            trail.append(path)
            for _, target in self.edges.get(path, []):
                visit(target)
            trail.pop()
            done.add(path)

        for path in sorted(self.edges):
            visit(path)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    faults = Checker(root).run()
    print("\n".join(faults) if faults else "every include points the right way")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
