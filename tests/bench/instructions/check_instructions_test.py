#!/usr/bin/env python3
"""That check_instructions.py can fail: with figures made up, and with a program that does more.

usage: check_instructions_test.py COUNT_INSTRUCTIONS ROOT
"""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from check_instructions import SKIPPED, TITLE, Trouble, judge, stored  # noqa: E402

FIRST = "| 2026-01-01 | g++ 12.2 | 1,000 | 2,000 | the first count ever |"
SECOND = "| 2026-02-01 | g++ 12.2 | 1,100 | 2,000 | prompts check one thing more |"


def results(*rows):
    return "\n".join(["# What was measured", "", TITLE, "", "| date | built by | prompt | 8 tokens | why |", "|---|---|---|---|---|",
                      *rows, "", "## Another part", "", "| 2026-03-01 | g++ 12.2 | 9 | 9 | not of this table |"])


class Stored(unittest.TestCase):
    def test_the_last_row_counts(self):
        self.assertEqual(stored(results(FIRST, SECOND))["prompt"], 1100)
        self.assertEqual(stored(results(FIRST))["tokens"], 2000)

    def test_a_row_without_a_reason_is_none(self):
        with self.assertRaisesRegex(Trouble, "why"):
            stored(results(FIRST, "| 2026-02-01 | g++ 12.2 | 5,000 | 9,000 |  |"))

    def test_a_table_must_be_there(self):
        for text in (results(), "# What was measured"):
            with self.assertRaises(Trouble):
                stored(text)


class Judged(unittest.TestCase):
    def test_growth(self):
        row = stored(results(FIRST))
        for prompt, tokens, wrong in ((1000, 2000, 0), (1030, 2060, 0), (1050, 2000, 1), (1000, 2100, 1), (1031, 2061, 2), (500, 1000, 0)):
            self.assertEqual(len(judge({"prompt": prompt, "tokens": tokens}, row)), wrong, (prompt, tokens))

    def test_a_row_that_says_why_mends_it(self):
        counted = {"prompt": 1100, "tokens": 2000}
        self.assertEqual(len(judge(counted, stored(results(FIRST)))), 1)
        self.assertEqual(judge(counted, stored(results(FIRST, SECOND))), [])


class Program(unittest.TestCase):
    def test_nine_tokens_are_more_than_eight(self):
        done = subprocess.run([sys.executable, check, program, root, "9"], capture_output=True, text=True)
        if done.returncode == SKIPPED:
            self.skipTest(done.stdout.strip())
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("tokens: 1", done.stdout.splitlines()[-1])
        self.assertIn("more instructions than RESULTS.md has", done.stdout)


if __name__ == "__main__":
    program, root = sys.argv[1:3]
    check = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check_instructions.py")
    unittest.main(argv=sys.argv[:1])
