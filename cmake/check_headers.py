#!/usr/bin/env python3
"""Compiles each public header alone, and sees that none of them reaches a library behind weft.

    cmake/check_headers.py --compiler g++ --include build/include --scratch dir \
        [--flag=-x ...] header... [--with-gtest header...]

Asio, OpenSSL, spdlog and fmt are made unreachable: a folder in front of the include path answers
to their names with an error, and the compiler's list of what it opened must not name them either.
Prints how long <weft/weft.hpp> took at -O0.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time

HIDDEN = ["boost/asio.hpp", "boost/beast.hpp", "openssl/ssl.h", "ares.h", "spdlog/spdlog.h", "fmt/format.h"]
FORBIDDEN = re.compile(r"/(boost|openssl|spdlog|fmt|liburing|ares)(/|\.h)")
GTEST = re.compile(r"/(gtest|gmock)/")


def hide_libraries(scratch):
    shim = scratch / "unreachable"
    for name in HIDDEN:
        path = shim / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#error "a public header of weft includes <{name}>"\n')
    return shim


class Compiler:
    def __init__(self, arguments):
        self.scratch = pathlib.Path(arguments.scratch)
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.command = [arguments.compiler, "-std=c++20", "-O0", "-Wall", "-Wextra", "-Werror",
                        *arguments.flag, "-I", str(hide_libraries(self.scratch)),
                        "-I", arguments.include]

    def check(self, header, with_gtest):
        """The faults of one header, as text; empty if it has none."""
        stem = header.replace("/", "_").replace(".", "_")
        source = self.scratch / f"{stem}.cpp"
        listing = self.scratch / f"{stem}.d"
        source.write_text(f"#include <{header}>\n#include <{header}>\n")
        ran = subprocess.run(
            [*self.command, "-c", str(source), "-o", str(self.scratch / f"{stem}.o"), "-MD", "-MF",
             str(listing)], capture_output=True, text=True, timeout=120)
        if ran.returncode != 0:
            return f"<{header}> does not compile alone:\n{ran.stderr}"
        opened = [name for name in listing.read_text().split() if FORBIDDEN.search(name)
                  or (GTEST.search(name) and not with_gtest)]
        return f"<{header}> reaches {opened[0]}" if opened else ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--include", required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--flag", action="append", default=[])
    parser.add_argument("--with-gtest", nargs="*", default=[])
    parser.add_argument("headers", nargs="*")
    arguments = parser.parse_args()

    compiler = Compiler(arguments)
    started = time.monotonic()
    faults = [compiler.check("weft/weft.hpp", False)]
    print(f"<weft/weft.hpp> alone compiles in {time.monotonic() - started:.2f} s at -O0")
    jobs = [(h, False) for h in arguments.headers] + [(h, True) for h in arguments.with_gtest]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        faults += pool.map(lambda job: compiler.check(*job), jobs)
    faults = [fault for fault in faults if fault]
    print("\n".join(faults) if faults else f"{len(jobs)} headers compile alone")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
