#!/usr/bin/env python3
"""Shows that check_layering.py finds what it is for: each case is a small tree with one thing wrong."""
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check_layering

SOUND = {
    "CMakeLists.txt": "project(x)\n",
    "README.md": "see ~/.local/share/hearth\n",
    ".ci/run": "exec tests/run\n",
    "app/a.cpp": '#include "app/a.h"\n#include "engine/e.h"\n#include "storage/s.h"\n#include "ui/u.h"\n#include <QObject>\n',
    "app/a.h": "#pragma once\n",
    "engine/e.h": '#include "kernels/k.h"\n#include <vector>\n// getName() would be wrong, and this is a comment\n',
    "engine/e.cpp": "auto x = icu::Locale::getRoot(); line = std::getline(in, y); p->getBuffer(3);\n",
    "kernels/k.h": "#pragma once\n",
    "storage/s.h": "#include <sqlite3.h>\n",
    "ui/theme.cpp": 'QColor c("#aabbcc");\n',
    "ui/u.h": 'QColor none = QColor(); auto id = "#12 of 40"; auto link = "page#section";\n',
    "tests/t.cpp": '#include "storage/s.h"\n#include "kernels/k.h"\n#include "helper.h"\n',
    "installer/run": "python3 -m pip download x\n",
}

# What is added to the sound tree, and what the finding must name.
WRONG = [
    ({"ui/x.cpp": '#include "engine/e.h"\n'}, "ui may not include from engine"),
    ({"ui/x.cpp": '#include "storage/s.h"\n'}, "ui may not include from storage"),
    ({"ui/x.cpp": '#  include "app/a.h"\n'}, "ui may not include from app"),
    ({"engine/x.cpp": '#include "storage/s.h"\n'}, "engine may not include from storage"),
    ({"engine/x.cpp": '#include "ui/u.h"\n'}, "engine may not include from ui"),
    ({"kernels/x.h": '#include "engine/e.h"\n'}, "kernels may not include from engine"),
    ({"storage/x.cpp": '#include "engine/e.h"\n'}, "storage may not include from engine"),
    ({"app/x.cpp": '#include "kernels/k.h"\n'}, "app may not include from kernels"),
    ({"app/x.cpp": '#include "a.h"\n'}, "is not a path from the root"),
    ({"app/x.cpp": '#include "engine/nowhere.h"\n'}, "is not a path from the root"),
    ({"app/x.cpp": '#include "engine/../kernels/k.h"\n'}, "is not a path from the root"),
    ({"ui/x.cpp": "#include <engine/e.h>\n"}, "with quotes"),
    ({"engine/x.cpp": "#include <QString>\n"}, "engine may not know <QString>"),
    ({"kernels/x.cpp": "#include <QtCore/qglobal.h>\n"}, "kernels may not know"),
    ({"storage/x.h": "#include <QDateTime>\n"}, "storage may not know"),
    ({"ui/x.cpp": "#include <sqlite3.h>\n"}, "ui may not know"),
    ({"ui/x.cpp": 'setColor("#ff8800");\n'}, "a colour outside"),
    ({"ui/x.cpp": 'setStyleSheet("color: #ff8800; border: none");\n'}, "a colour outside"),
    ({"app/x.cpp": "auto c = qRgb(1, 2, 3);\n"}, "a colour outside"),
    ({"ui/x.cpp": "QColor(255, 0, 0)\n"}, "a colour outside"),
    ({"ui/x.cpp": "pen.setColor(Qt::red);\n"}, "a colour outside"),
    ({"storage/x.h": "    int getCount() const;\n"}, "a getter"),
    ({"app/models/hub/x.cpp": "QNetworkAccessManager manager;\n"}, "the network outside"),
    ({"engine/x.cpp": "socket(AF_INET, SOCK_STREAM, 0);\n"}, "the network outside"),
    ({"src/x.cpp": "int x;\n"}, "src: is not an entry of the top level"),
    ({"notes.txt": "x\n"}, "notes.txt: is not an entry"),
    ({"README.md": "see /" + "work/shared\n"}, "names a path"),
    ({"tests/t.cpp": 'open("/' + 'root/models/x.gguf");\n'}, "names a path"),
    ({"installer/run": "curl https://pypi" + ".org/x\n"}, "registry"),
    ({"ui/x.cpp": "// TO" + "DO: later\n"}, "left to do"),
]


class CheckLayering(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = os.path.realpath(folder.name)
        self.write(SOUND)

    def write(self, tree):
        for path, content in tree.items():
            full = os.path.join(self.root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(content)

    def found(self):
        return list(check_layering.findings(self.root))

    def test_sound_tree_has_no_finding(self):
        self.assertEqual(self.found(), [])

    def test_build_folders_are_left_out(self):
        self.write({"build/release/x.cpp": '#include "nowhere.h"\n', "build-mine/y.txt": "x"})
        self.assertEqual(self.found(), [])

    def test_ignored_files_are_left_out_in_a_repository(self):
        self.write({".gitignore": "/mine/\n", "mine/x.txt": "x"})
        if subprocess.run(["git", "init", "-q", self.root], capture_output=True).returncode != 0:
            self.skipTest("git is not here")
        self.assertEqual(self.found(), [])
        self.write({"yours/x.txt": "x"})
        self.assertEqual(len(self.found()), 1)

    def test_the_program_ends_with_1(self):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check_layering.py")
        self.assertEqual(subprocess.run([sys.executable, script, self.root], capture_output=True).returncode, 0)
        self.write(WRONG[0][0])
        self.assertEqual(subprocess.run([sys.executable, script, self.root], capture_output=True).returncode, 1)


def add_case(index, tree, expected):
    def test(self):
        self.write(tree)
        found = self.found()
        self.assertEqual(len(found), 1, found)
        self.assertIn(expected, found[0])

    setattr(CheckLayering, f"test_wrong_{index:02}", test)


for place, (wrong, words) in enumerate(WRONG):
    add_case(place, wrong, words)

if __name__ == "__main__":
    unittest.main()
