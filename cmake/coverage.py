#!/usr/bin/env python3
"""Tells which lines the tests ran: coverage.py <build tree> <least per cent>.

Asks gcov for every object's counts and adds them up by source line, since one line is compiled into
many objects. Fails when fewer lines ran than asked for."""

import collections
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("framework", "protocols", "transports", "reactor")


def ours(name):
    """The source's path within the repository, or None when it is not to be covered."""
    try:
        path = pathlib.Path(name).resolve().relative_to(ROOT)
    except ValueError:
        return None
    tested = path.parts[0] in FOLDERS and not path.stem.endswith("_test")
    return path.as_posix() if tested else None


def counts_of(tree):
    lines = collections.defaultdict(collections.Counter)
    with tempfile.TemporaryDirectory() as scratch:
        for data in sorted(tree.rglob("*.gcda")):
            subprocess.run(["gcov", "--json-format", str(data.resolve())], cwd=scratch,
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for result in pathlib.Path(scratch).glob("*.gcov.json.gz"):
                report = json.loads(gzip.decompress(result.read_bytes()))
                result.unlink()
                for source in report["files"]:
                    name = ours(pathlib.Path(report["current_working_directory"], source["file"]))
                    if name:
                        for line in source["lines"]:
                            lines[name][line["line_number"]] += line["count"]
    return lines


def missing_ranges(counts):
    missing = [number for number in sorted(counts) if counts[number] == 0]
    ranges = []
    for number in missing:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def main():
    tree, least = pathlib.Path(sys.argv[1]), float(sys.argv[2])
    by_folder = collections.defaultdict(lambda: [0, 0])
    for name, counts in sorted(counts_of(tree).items()):
        ran = sum(1 for count in counts.values() if count)
        for key in (name.split("/")[0], "all"):
            by_folder[key][0] += ran
            by_folder[key][1] += len(counts)
        if ran < len(counts):
            print(f"{100 * ran / len(counts):5.1f} %  {name}: not {missing_ranges(counts)}")
    for folder in (*FOLDERS, "all"):
        ran, of = by_folder[folder]
        print(f"{100 * ran / max(of, 1):5.1f} %  {folder}: {ran} of {of} lines")
    ran, of = by_folder["all"]
    sys.exit(0 if of and 100 * ran >= least * of else 1)


if __name__ == "__main__":
    main()
