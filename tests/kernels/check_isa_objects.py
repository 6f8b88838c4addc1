#!/usr/bin/env python3
"""Fails when a file that is compiled for one instruction set has a function that the linker may choose for all: a weak
symbol. The program would end by an illegal instruction on a processor without that set.

usage: check_isa_objects.py NM OBJECT...; looks at the objects cpu/avx* and cpu/amx*; prints one line for each finding.
"""
import re
import subprocess
import sys


def weak_functions(nm, path):
    listed = subprocess.run([nm, "-C", "--defined-only", path], capture_output=True, check=True, text=True).stdout
    return re.findall(r"^[0-9a-f]+ W (.*)$", listed, re.M)


def main():
    nm, objects = sys.argv[1], [o for o in sys.argv[2:] if re.search(r"/cpu/(?:avx|amx)\w*\.", o)]
    found = [f"{path}: {name}" for path in objects for name in weak_functions(nm, path)]
    if not objects:
        found = ["no object of one instruction set among " + " ".join(sys.argv[2:])]
    print("\n".join(found) if found else f"{len(objects)} objects define nothing that others could be linked with")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
