#!/usr/bin/env python3
"""bench_engine with little work: every row gives its figure, results do not depend on threads, wrong usage is told.

usage: bench_engine_test.py BENCH_ENGINE
"""
import glob
import json
import subprocess
import sys
import tempfile
import unittest

CLI_KEYS = {"prefillTokensPerSecond", "decodeTokensPerSecond", "decodeGBPerSecond", "readGBPerSecond", "firstTokenSeconds",
            "loadSeconds", "peakBytes", "logitsHash", "isa"}
ROWS = ["decode1", "decode", "prefill", "depth", "depthq8", "batch", "busy1", "busy2", "load", "stored", "guess", "soak"]
LITTLE = ["--prompt", "16", "--generate", "4", "--repeat", "1", "--depth", "130", "--stored", "130", "--soak", "0.1"]
MADE = ["--shape", "tiny", "--type", "Q4_1"]


def bench(*arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True)


def result(*arguments):
    done = bench(*MADE, *LITTLE, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Rows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.all = result()
        cls.rows = {row["row"]: row for row in cls.all["rows"]}

    def test_the_keys_of_the_command_line(self):
        self.assertLessEqual(CLI_KEYS, set(self.all))
        for key in CLI_KEYS - {"logitsHash", "isa"}:
            self.assertGreater(self.all[key], 0, key)

    def test_every_row_has_its_figure(self):
        self.assertEqual(list(self.rows), ROWS)
        for name, row in self.rows.items():
            if name == "guess" and "skipped" in row or name == "soak" and "skipped" in row:
                continue
            if name == "prefill":  # its goals compare engines; not every instruction set has a known peak
                self.assertGreater(row["tokensPerSecond"], 0)
                continue
            self.assertGreaterEqual(row["value"], 0, name)
            self.assertEqual(("atLeast" in row) + ("atMost" in row), 1, name)
            self.assertIsInstance(row["met"], bool, name)

    def test_what_does_not_depend_on_the_hour(self):
        self.assertEqual(self.rows["depth"]["depth"], 130)
        self.assertEqual(self.rows["stored"]["prefilledTokens"], 8)  # the rest came from the file
        if "skipped" not in self.rows["guess"]:
            self.assertTrue(self.rows["guess"]["sameText"])
            self.assertGreater(self.rows["guess"]["rightGuesses"], self.rows["guess"]["guessedTokens"] / 2)
        if "skipped" not in self.rows["soak"]:
            self.assertTrue(self.rows["soak"]["met"], self.rows["soak"])

    def test_nothing_is_left(self):
        for folder in ("/dev/shm", tempfile.gettempdir()):
            self.assertEqual(glob.glob(f"{folder}/hearth-bench-*/*.gguf"), [])


class Usage(unittest.TestCase):
    def test_threads_do_not_change_the_result(self):
        one, two = (result("--rows", "none", "--threads", n) for n in ("1", "2"))
        self.assertEqual(one["logitsHash"], two["logitsHash"])
        self.assertNotEqual(one["logitsHash"], json.loads(bench("--shape", "tiny", "--type", "Q8_0", *LITTLE, "--rows", "none",
                                                                "--json").stdout)["logitsHash"])

    def test_rows_are_chosen(self):
        self.assertEqual([row["row"] for row in result("--rows", "load,decode1")["rows"]], ["load", "decode1"])

    def test_every_format(self):
        done = bench("--shape", "tiny", "--type", "all", *LITTLE, "--rows", "none")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        types = [line["type"] for line in lines]
        self.assertEqual(len(types), len(set(types)))
        self.assertLessEqual({"F16", "BF16", "Q4_0", "Q8_0", "Q2_K", "Q4_K", "Q6_K", "IQ1_S", "IQ4_XS", "TQ2_0", "MXFP4", "NVFP4"}, set(types))
        for line in lines:
            self.assertGreater(line["decodeTokensPerSecond"], 0, line)

    def test_wrong_usage(self):
        for arguments in ([], ["--shape"], [*MADE, "--model", "x.gguf"], [*MADE, "--prompt", "0"], [*MADE, "--prompt", "9x"], [*MADE, "--odd", "1"]):
            self.assertEqual(bench(*arguments).returncode, 2, arguments)

    def test_bad_input_is_told_in_a_line(self):
        for arguments in (["--model", "/nowhere.gguf"], ["--shape", "9z"], ["--shape", "1b", "--type", "Q9"],
                          ["--shape", "1b", "--type", "F8_E4M3"], [*MADE, "--rows", "decode,odd"]):
            done = bench(*arguments)
            self.assertEqual((done.returncode, len(done.stderr.splitlines()), done.stdout), (1, 1, ""), arguments)


if __name__ == "__main__":
    program = sys.argv[1]
    unittest.main(argv=sys.argv[:1])
