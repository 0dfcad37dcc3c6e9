"""scripts/mutants on a tree of its own: one source, one program that answers as the explorer does."""

import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/mutants"

# answer() is what the mutants change. 1 is right, 2 is found, 3 ends the process as the explorer reports it, 4 crashes.
SOURCE = "int answer();\nint answer() { return 1; }\n"
PROGRAM = r"""
#include <csignal>
#include <cstdio>
#include <cstring>
int answer();
int main(int argc, char** argv) {
  int is = answer();
  for (int i = 1; i + 1 < argc; ++i)
    if (std::strcmp(argv[i], "--only") == 0 && std::strcmp(argv[i + 1], "Broken") == 0) is = 4;
  const char* const name = argv[2];
  if (is == 1) std::printf("%s: passes, bound 2, 3 interleavings, exhaustive, longest 4 steps, 0.00 s\n", name);
  if (is == 2) std::printf("%s: the answer is wrong\nits steps\n", name);
  if (is == 3) std::fprintf(stderr, "thing: has lost count\n");
  if (is == 3) std::printf("%s: the program calls std::abort, after its last step\n", name);
  std::fflush(stdout);
  if (is == 4) std::fprintf(stderr, "model: too many atomics\n");
  if (is == 4) std::raise(SIGABRT);
  return is == 1 ? 0 : 1;
}
"""
NINJA = """rule compile
  command = c++ -MD -MF $out.d -o $out -c $in
  depfile = $out.d
  deps = gcc
rule link
  command = c++ $in -o $out
build answer.o: compile {root}/scheduler/answer.cpp
build program.o: compile {root}/tests/program.cpp
build thing: link program.o answer.o
"""


class Test(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve()
        build = self.root / "build/dev"
        for made in (build, self.root / "include", self.root / "scheduler", self.root / "scripts", self.root / "tests"):
            made.mkdir(parents=True)
        shutil.copy(SCRIPT, self.root / "scripts/mutants")
        (self.root / "scheduler/answer.cpp").write_text(SOURCE, encoding="utf-8")
        (self.root / "tests/program.cpp").write_text(PROGRAM, encoding="utf-8")
        self.configure(self.root)

    def configure(self, root):
        """As CMake does in a tree that it knows by this path."""
        build = self.root / "build/dev"
        (build / "build.ninja").write_text(NINJA.format(root=root), encoding="utf-8")
        commands = [{"directory": str(build), "file": file, "command": f"c++ -o {Path(file).stem}.o -c {file}"}
                    for file in (f"{root}/scheduler/answer.cpp", f"{root}/tests/program.cpp")]
        (build / "compile_commands.json").write_text(json.dumps(commands), encoding="utf-8")

    def judge(self, to, old="return 1;", only=("Answers",), more=""):
        """(exit status, the mutant's line, the totals) of one mutant."""
        entry = (f'[[mutant]]\nname = "one"\nfile = "scheduler/answer.cpp"\nfrom = "{old}"\nto = "{to}"\n'
                 f'model = "thing"\nonly = {json.dumps(only)}\n{more}\n')
        listed = self.root / "list.toml"
        listed.write_text(entry, encoding="utf-8")
        done = subprocess.run([sys.executable, "-B", self.root / "scripts/mutants", "--mutants", listed],
                              capture_output=True, text=True, check=False)
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 2, done.stdout + done.stderr)
        return done.returncode, *lines

    def is_error(self, judged, part):
        status, line, totals = judged
        self.assertIn("one: ERROR: ", line)
        self.assertIn(part, line)
        self.assertEqual(totals, "mutants: 0 killed, 0 equivalent, 0 survived, 1 in error")
        self.assertEqual(status, 1)

    def test_a_program_that_fails_kills(self):
        status, line, totals = self.judge("return 2;")
        self.assertIn("one: killed by Answers: the answer is wrong (", line)
        self.assertEqual(totals, "mutants: 1 killed, 0 equivalent, 0 survived")
        self.assertEqual(status, 0)

    def test_a_check_of_the_sources_that_ends_the_process_kills_and_is_quoted(self):
        status, line, totals = self.judge("return 3;")
        self.assertIn("killed by Answers: the program calls std::abort, after its last step: thing: has lost count", line)
        self.assertEqual(totals, "mutants: 1 killed, 0 equivalent, 0 survived")
        self.assertEqual(status, 0)

    def test_a_program_that_passes_lets_the_mutant_survive(self):
        status, line, totals = self.judge("return 2 - 1;")
        self.assertIn("one: SURVIVED Answers", line)
        self.assertEqual(totals, "mutants: 0 killed, 0 equivalent, 1 survived")
        self.assertEqual(status, 1)

    def test_an_equivalent_mutant_must_survive(self):
        because = 'equivalent = "it is the same number"'
        status, line, totals = self.judge("return 2 - 1;", more=because)
        self.assertIn("one: survives, as it must", line)
        self.assertEqual(totals, "mutants: 0 killed, 1 equivalent, 0 survived")
        self.assertEqual(status, 0)
        status, line, totals = self.judge("return 2;", more=because)
        self.assertIn("equivalent, they say, but Answers fails", line)
        self.assertEqual(status, 1)

    def test_a_crash_that_the_explorer_does_not_report_is_an_error(self):
        self.is_error(self.judge("return 4;"), "Answers crashed (signal 6) model: too many atomics")

    def test_a_program_that_fails_without_the_mutant_kills_nobody(self):
        self.is_error(self.judge("return 2;", only=("Broken",)), "without the mutant, Broken crashed (signal 6)")
        file = self.root / "scheduler/answer.cpp"
        file.write_text(SOURCE.replace("return 1;", "int a = 2; return a;"), encoding="utf-8")
        self.is_error(self.judge("int a = 3;", old="int a = 2;"), "Answers fails without the mutant: the answer is wrong")

    def test_a_tree_that_is_known_by_another_path_is_mutated_all_the_same(self):
        link = self.root / "link"
        link.symlink_to(self.root)
        for root in (link, "../..", "../../link"):
            self.configure(root)
            status, line, _ = self.judge("return 2;")
            self.assertIn("one: killed by Answers: the answer is wrong (", line, root)
            self.assertEqual(status, 0)

    def test_a_mutant_that_does_not_compile_is_an_error(self):
        self.is_error(self.judge("return none;"), "it does not compile: ")

    def test_a_text_that_is_not_there_or_twice_is_an_error(self):
        self.is_error(self.judge("", old="return 0;"), "its text is not in scheduler/answer.cpp: return 0;")
        self.is_error(self.judge("", old="answer()"), "is in scheduler/answer.cpp 2 times (say which with nth)")

    def test_the_list_says_which_cannot_be_applied(self):
        for old, status in (("return 1;", 0), ("return 0;", 1)):
            self.judge("return 3;", old=old)  # leaves its list behind
            done = subprocess.run([sys.executable, "-B", self.root / "scripts/mutants", "--list", "--mutants",
                                   self.root / "list.toml"], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            self.assertEqual("cannot be applied: its text is not in scheduler/answer.cpp" in done.stdout, status == 1)


if __name__ == "__main__":
    unittest.main()
