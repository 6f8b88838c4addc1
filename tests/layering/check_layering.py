#!/usr/bin/env python3
"""Fails on what the house forbids: an include that points the wrong way, a colour outside the theme, a getter, an entry
of the top level that is not on the list, a path of somebody's machine.

usage: check_layering.py [ROOT]; prints one line for each finding, ends with 1 if there is any.
"""
import os
import re
import subprocess
import sys

# Which folder may include from which; the order of the design.
MAY_INCLUDE = {
    "app": {"app", "ui", "engine", "storage"},
    "ui": {"ui"},
    "engine": {"engine", "kernels"},
    "kernels": {"kernels"},
    "storage": {"storage"},
}

# Libraries that a folder may not see, by the name of a header in <>.
FORBIDDEN_HEADERS = {
    "engine": r"Q[A-Z]\w*|Qt\w*/.*|sqlite3\.h",
    "kernels": r"Q[A-Z]\w*|Qt\w*/.*|sqlite3\.h|nlohmann/.*|unicode/.*",
    "storage": r"Q[A-Z]\w*|Qt\w*/.*",
    "ui": r"sqlite3\.h|QSql\w*|QNetwork\w*",
    "app": r"sqlite3\.h|QSql\w*",
}

# Who opens connections: the one client that asks the one gate (app/models/net/network_gate.h). A local socket is none.
NETWORK_HOME = "app/models/net/"
NETWORK = re.compile(r"\bQ(?:NetworkAccessManager|TcpSocket|SslSocket|UdpSocket|TcpServer|HostInfo)\b|<curl/|\bSOCK_STREAM\b")

TOP_LEVEL = {
    "CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md",
    "app", "ui", "engine", "kernels", "storage", "resources", "installer", "tests",
}

COLOUR_HOME = "ui/theme.cpp"
# Put together here, so that this file does not find itself.
MACHINE_PATHS = ["/" + "work/", "/" + "root/"]
REGISTRIES = ["pypi" + ".org", "python" + "hosted", "deb.debian" + ".org"]
LEFT_OVER = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
COLOUR = re.compile(r'"\s*#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})\s*"'  # a colour by itself
                    r'|[:\s]#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{8})\b[^"]*"'            # in a style sheet
                    r"|\bqRgba?\s*\(|\bQColor\s*\(\s*(?:0[xX])?[0-9]|\bQColorConstants\b"
                    r"|\bQt::(?:red|green|blue|cyan|magenta|yellow|gray|black|white|dark\w+|lightGray)\b")
# A library's own getter is called on something (`x.`, `x->`, `X::`); one of ours is declared bare.
GETTER = re.compile(r"(?<![\w.>:])get[A-Z]\w*\s*\(")
COMMENT = re.compile(r"//.*")
CODE = (".cpp", ".h", ".cu")


def repository_files(root):
    """What is tracked or could be: build folders and other ignored files are nobody's business."""
    try:
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True, check=True).stdout.decode("utf-8", "surrogateescape")
        top = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, "rev-parse", "--show-toplevel"],
                             capture_output=True, check=True, text=True).stdout.strip()
        if os.path.realpath(top) == os.path.realpath(root):
            return sorted({f for f in listed.split("\0") if f and os.path.exists(os.path.join(root, f))})
    except (OSError, subprocess.CalledProcessError):
        pass
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [d for d in folders if not d.startswith(".") and not (folder == root and d.startswith("build"))]
        found += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    return sorted(found)


def check_top_level(files):
    for entry in sorted({f.split("/")[0] for f in files}):
        if not entry.startswith(".") and entry not in TOP_LEVEL:
            yield f"{entry}: is not an entry of the top level"


def check_include(root, path, number, line):
    match = INCLUDE.match(line)
    folder = path.split("/")[0]
    if not match or folder not in MAY_INCLUDE:
        return
    own, library = match.groups()
    if library is not None:
        if re.fullmatch(FORBIDDEN_HEADERS[folder], library):
            yield f"{path}:{number}: {folder} may not know <{library}>"
        elif library.split("/")[0] in MAY_INCLUDE:
            yield f'{path}:{number}: <{library}> is ours; include it with quotes'
        return
    target = own.split("/")[0]
    if own.endswith(".moc"):
        return
    if "/" not in own or ".." in own or target not in MAY_INCLUDE or not os.path.exists(os.path.join(root, own)):
        yield f'{path}:{number}: "{own}" is not a path from the root'
    elif target not in MAY_INCLUDE[folder]:
        yield f"{path}:{number}: {folder} may not include from {target} ({own})"


def check_code_line(path, number, line):
    folder = path.split("/")[0]
    if folder not in MAY_INCLUDE:
        return
    code = COMMENT.sub("", line)
    if folder in ("app", "ui") and path != COLOUR_HOME and COLOUR.search(code):
        yield f"{path}:{number}: a colour outside {COLOUR_HOME}"
    if not path.startswith(NETWORK_HOME) and NETWORK.search(code):
        yield f"{path}:{number}: the network outside {NETWORK_HOME}"
    if GETTER.search(code):
        yield f"{path}:{number}: a getter is named by what it gives, without get"


def check_any_line(path, number, line):
    for machine in MACHINE_PATHS:
        # In an address, or below another folder, the same letters are another thing: the path must begin there.
        if re.search(r"(?<![\w.~}$/-])" + re.escape(machine), line):
            yield f"{path}:{number}: names a path of one machine ({machine})"
    if path.startswith((".ci/", "installer/")) or path == "tests/run":
        for host in REGISTRIES:
            if host in line:
                yield f"{path}:{number}: names a registry's host ({host})"
    if LEFT_OVER.search(line) and not path.startswith("tests/data/"):
        yield f"{path}:{number}: something was left to do"


def text_of(root, path):
    """None: not text."""
    full = os.path.join(root, path)
    if os.path.islink(full) or os.path.getsize(full) > 4_000_000:
        return None
    with open(full, "rb") as file:
        content = file.read()
    return None if b"\0" in content else content.decode("utf-8", "replace")


def findings(root):
    files = repository_files(root)
    yield from check_top_level(files)
    for path in files:
        content = text_of(root, path)
        if content is None:
            continue
        is_code = path.endswith(CODE)
        for number, line in enumerate(content.split("\n"), 1):
            yield from check_any_line(path, number, line)
            if is_code:
                yield from check_include(root, path, number, line)
                yield from check_code_line(path, number, line)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../..")
    found = list(findings(os.path.realpath(root)))
    print("\n".join(found) if found else "nothing points the wrong way")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
