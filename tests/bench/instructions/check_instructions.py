#!/usr/bin/env python3
"""Fails when a tiny model's prompt or tokens take over 3 % more instructions than the last row of the table "Instructions"
in tests/bench/RESULTS.md says.

    check_instructions.py COUNT_INSTRUCTIONS ROOT

Callgrind counts, so the figure does not depend on the hour or the neighbours: one thread, AVX2 rows (Valgrind knows no
wider ones). It does depend on the compiler: the figures are those of the table's, and other builds skip. Whoever needs
more instructions adds a row that says why. Ends with 0, 1, or 77 for skipped.
"""
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77
ALLOWED = 1.03  # of the stored figure
MODEL = "tests/data/quant_models/Q4_K_M/model.gguf.xz"
TITLE = "## Instructions"
ROW = re.compile(r"^\|\s*(\d{4}-\d\d-\d\d)\s*\|([^|]*)\|\s*([\d,]+)\s*\|\s*([\d,]+)\s*\|([^|]*)\|$")


class Trouble(Exception):
    pass


def stored(results: str) -> dict:
    """The last row of the table: date, compiler, instructions of the prompt and of the tokens."""
    if TITLE not in results:
        raise Trouble(f'RESULTS.md has no part "{TITLE}"')
    part = results.split(TITLE, 1)[1].split("\n## ", 1)[0]
    rows = [m for m in map(ROW.match, part.splitlines()) if m]
    if not rows:
        raise Trouble(f'the table of "{TITLE}" in RESULTS.md has no row')
    date, compiler, prompt, tokens, why = (field.strip() for field in rows[-1].groups())
    if len(why.split()) < 3:
        raise Trouble(f"the last row of {TITLE} in RESULTS.md does not say why its figures are what they are")
    number = lambda text: int(text.replace(",", ""))
    return {"date": date, "compiler": compiler, "prompt": number(prompt), "tokens": number(tokens)}


def judge(counted: dict, row: dict) -> list:
    """What is wrong, a sentence each."""
    wrong = []
    for part in ("prompt", "tokens"):
        ratio = counted[part] / row[part]
        print(f"{part}: {counted[part]:,} instructions, {100 * (ratio - 1):+.2f} % of the {row[part]:,} of {row['date']}")
        if ratio > ALLOWED:
            wrong.append(f"{part}: {100 * (ratio - 1):.1f} % more instructions than RESULTS.md has. Mend it, or add the row "
                         f"| date | {row['compiler']} | {counted['prompt']:,} | {counted['tokens']:,} | why | there.")
        elif ratio < 2 - ALLOWED:
            print("  fewer than before: a new row in RESULTS.md would hold that")
    return wrong


def count(program: str, model: str, folder: str, arguments: list) -> dict:
    """The instructions of the two parts of the program, one run each."""
    figures = {}
    for part, function in (("prompt", "hearthCountedPrompt"), ("tokens", "hearthCountedTokens")):
        out = Path(folder, part)
        done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--collect-atstart=no",
                               f"--toggle-collect={function}", program, model, *arguments],
                              capture_output=True, text=True, env={**os.environ, "HEARTH_ISA": "avx2"})
        if done.returncode != 0:
            raise Trouble(f"the counted program ended with {done.returncode}:\n{done.stderr[-2000:]}")
        figures[part] = int(re.search(r"^summary: (\d+)", out.read_text(), re.M).group(1))
        if figures[part] == 0:
            raise Trouble(f"callgrind did not see {function}")
    return figures


def main() -> int:
    program, root, *arguments = sys.argv[1:]
    if not shutil.which("valgrind"):
        print("SKIPPED: valgrind is not installed (installer/dependencies lists it), so no instructions were counted.")
        return SKIPPED
    row = stored(Path(root, "tests/bench/RESULTS.md").read_text())
    built = subprocess.run([program], capture_output=True, text=True).stdout.strip()
    if built != row["compiler"]:
        print(f"SKIPPED: the figures are of {row['compiler']} with optimization; this is {built}.")
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "model.gguf")
        Path(model).write_bytes(lzma.decompress(Path(root, MODEL).read_bytes()))
        counted = count(program, model, folder, arguments)
    wrong = judge(counted, row)
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        print(trouble)
        sys.exit(1)
