#!/usr/bin/env python3
"""Uses weft as strangers do: installed, found by CMake and by pkg-config, and by its own examples.

    cmake/check_installed.py --build <built tree> --source <repository> --compiler g++

The prefix is moved after the installation, since a package must not remember where it was made.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys


def run(*command, **environment):
    """Runs a command, prints it, and ends the test with its output if it fails."""
    print("+", *command, flush=True)
    ran = subprocess.run([str(word) for word in command], env={**os.environ, **environment},
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    if ran.returncode != 0:
        print(ran.stdout)
        sys.exit(f"{command[0]} ended with {ran.returncode}")
    return ran.stdout


def build(source, tree, prefix, arguments, *flags):
    run("cmake", "-G", "Ninja", "-S", source, "-B", tree, f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_CXX_COMPILER={arguments.compiler}", *flags)
    run("cmake", "--build", tree, "-j", "2")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--source", required=True, type=pathlib.Path)
    parser.add_argument("--compiler", required=True)
    arguments = parser.parse_args()

    scratch = arguments.build / "installed"
    shutil.rmtree(scratch, ignore_errors=True)
    run("cmake", "--install", arguments.build, "--prefix", scratch / "made-here")
    prefix = scratch / "moved-here"
    (scratch / "made-here").rename(prefix)
    consumer = arguments.source / "cmake" / "consumer_test"

    build(consumer, scratch / "by-cmake", prefix, arguments)
    print(run(scratch / "by-cmake" / "echo"))
    print(run(scratch / "by-cmake" / "kit"))

    (folder,) = [path.parent for path in prefix.rglob("weft.pc")]
    flags = run("pkg-config", "--static", "--cflags", "--libs", "weft",
                PKG_CONFIG_PATH=str(folder)).split()
    run(arguments.compiler, "-std=c++20", consumer / "echo.cpp", "-o", scratch / "by-pkg-config",
        *flags)
    print(run(scratch / "by-pkg-config"))

    build(arguments.source / "examples", scratch / "examples", prefix, arguments)


if __name__ == "__main__":
    main()
