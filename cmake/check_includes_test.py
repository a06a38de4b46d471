#!/usr/bin/env python3
"""Plants each fault that check_includes.py is there to find, and sees it found."""

import pathlib
import tempfile
import unittest

import check_includes

HEADER = "// Gives a thing.\n#pragma once\n"


class CheckIncludes(unittest.TestCase):
    def faults(self, files):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name).resolve()
            folders = {path.split("/")[0] for path in files}
            for path, text in files.items():
                target = root / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
            for folder in folders:
                names = [p.split("/", 1)[1] for p in files if p.startswith(folder + "/")]
                listing = root / folder / "CMakeLists.txt"
                if not listing.exists():
                    listing.write_text("weft_library(%s HEADERS %s)" % (folder, " ".join(names)))
            return "\n".join(check_includes.Checker(root).run())

    def test_accepts_an_include_that_points_down(self):
        self.assertEqual(self.faults({
            "framework/a.hpp": HEADER + "#include <string>\n",
            "reactor/b.hpp": HEADER + '#include "../framework/a.hpp"\n',
            "examples/c.cpp": "#include <weft/framework/a.hpp>\n",
        }), "")

    def test_finds_an_include_that_points_up(self):
        self.assertIn("framework/ may not include reactor/", self.faults({
            "framework/a.hpp": HEADER + '#include "../reactor/b.hpp"\n',
            "reactor/b.hpp": HEADER,
        }))

    def test_finds_a_protocol_that_names_a_transport(self):
        self.assertIn("protocols/ may not include transports/", self.faults({
            "protocols/a.cpp": '#include "../transports/b.hpp"\n',
            "transports/b.hpp": HEADER,
        }))

    def test_accepts_a_protocol_in_a_test_of_reactors_alone(self):
        files = {"protocols/a.hpp": HEADER, "reactor/b_test.cpp": '#include "../protocols/a.hpp"\n'}
        self.assertEqual(self.faults(files), "")
        self.assertIn("reactor/ may not include protocols/", self.faults({
            "protocols/a.hpp": HEADER,
            "reactor/b.cpp": '#include "../protocols/a.hpp"\n',
        }))

    def test_finds_cereal_anywhere_but_where_it_comes_in(self):
        self.assertEqual(self.faults({
            "transports/detail/worker_values.hpp": HEADER + "#include <cereal/cereal.hpp>\n",
        }), "")
        self.assertIn("comes in by transports/detail/worker_values.hpp alone", self.faults({
            "transports/detail/other.hpp": HEADER + "#include <cereal/cereal.hpp>\n",
        }))

    def test_finds_asio_in_a_public_header(self):
        self.assertIn("not a public header", self.faults({
            "transports/a.hpp": HEADER + "#include <boost/asio.hpp>\n",
        }))

    def test_accepts_asio_in_detail_and_sources(self):
        self.assertEqual(self.faults({
            "transports/detail/a.hpp": HEADER + "#include <boost/asio.hpp>\n",
            "transports/a.cpp": "#include <boost/asio.hpp>\n",
        }), "")

    def test_finds_an_os_header_in_the_framework(self):
        self.assertIn("may not name <sys/socket.h>", self.faults({
            "framework/a.cpp": "#include <sys/socket.h>\n",
        }))

    def test_finds_googletest_outside_tests(self):
        self.assertIn("GoogleTest belongs", self.faults({
            "protocols/a.cpp": "#include <gtest/gtest.h>\n",
        }))

    def test_accepts_googletest_in_tests_and_in_the_kits_own_headers(self):
        self.assertEqual(self.faults({
            "protocols/a_test.cpp": "#include <gtest/gtest.h>\n",
            "testing/m.hpp": HEADER + "#include <gmock/gmock.h>\n",
            "testing/CMakeLists.txt": "weft_library(testing HEADERS GTEST_HEADERS m.hpp)",
        }), "")

    def test_finds_a_circle(self):
        self.assertIn("in a circle: a.hpp -> b.hpp -> a.hpp", self.faults({
            "framework/a.hpp": HEADER + '#include "b.hpp"\n',
            "framework/b.hpp": HEADER + '#include "a.hpp"\n',
        }))

    def test_finds_a_detour(self):
        self.assertIn('is shorter as "b.hpp"', self.faults({
            "framework/a.hpp": HEADER + '#include "../framework/b.hpp"\n',
            "framework/b.hpp": HEADER,
        }))

    def test_finds_a_rooted_include(self):
        self.assertIn('there is no "framework/b.hpp" here', self.faults({
            "framework/a.hpp": HEADER + '#include "framework/b.hpp"\n',
            "framework/b.hpp": HEADER,
        }))

    def test_finds_a_users_include_inside_the_library(self):
        self.assertIn("includes are relative", self.faults({
            "framework/a.hpp": HEADER + "#include <weft/framework/b.hpp>\n",
        }))

    def test_finds_a_relative_include_in_an_example(self):
        self.assertIn("users write <weft/...>", self.faults({
            "examples/a.cpp": '#include "../framework/b.hpp"\n',
            "framework/b.hpp": HEADER,
        }))

    def test_finds_a_header_without_its_sentence(self):
        self.assertIn("says in a sentence", self.faults({"framework/a.hpp": "#pragma once\n"}))

    def test_finds_a_header_without_its_guard(self):
        self.assertIn("#pragma once", self.faults({"framework/a.hpp": "// Gives a thing.\n\nint x;\n"}))

    def test_finds_a_source_with_an_opening_comment(self):
        self.assertIn("no opening comment", self.faults({"framework/a.cpp": "// Hello.\n"}))

    def test_finds_a_promise_without_an_issue(self):
        text = "int x;  // " + "TODO: later\n"
        self.assertIn("or do it", self.faults({"framework/a.cpp": text}))

    def test_finds_a_file_that_is_not_built(self):
        self.assertIn("does not list it", self.faults({
            "framework/a.cpp": "int x;\n",
            "framework/CMakeLists.txt": "weft_library(framework)",
        }))

    def test_knows_a_backend_s_own_file_by_the_one_it_stands_for(self):
        listing = {"transports/CMakeLists.txt": "weft_library(transports SOURCES a.cpp)"}
        self.assertEqual("", self.faults({
            "transports/a.cpp": "int x;\n", "transports/epoll_a.cpp": "int x;\n", **listing}))
        self.assertIn("does not list it", self.faults({
            "transports/a.cpp": "int x;\n", "transports/epoll_b.cpp": "int x;\n", **listing}))

    def test_finds_a_detail_header_that_would_not_be_installed(self):
        self.assertIn("d.hpp must be listed", self.faults({
            "framework/a.hpp": HEADER + '#include "detail/d.hpp"\n',
            "framework/detail/d.hpp": HEADER,
            "framework/CMakeLists.txt": "weft_library(framework HEADERS a.hpp)",
        }))

    def test_accepts_a_detail_header_for_sources_alone(self):
        self.assertEqual(self.faults({
            "framework/a.cpp": '#include "detail/d.hpp"\n',
            "framework/detail/d.hpp": HEADER,
            "framework/CMakeLists.txt": "weft_library(framework SOURCES a.cpp)",
        }), "")


if __name__ == "__main__":
    unittest.main()
