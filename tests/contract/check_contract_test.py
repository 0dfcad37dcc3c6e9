"""scripts/check_contract: what it finds in a small tree of its own, right and then broken."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = """| rule | what it says | tests |
| --- | --- | --- |
| C-01 | One. | `one.C01Holds` |
| C-02 | Two. | *open*: not made yet |

| input | tests |
| --- | --- |
| none | `one.TakesNothing` |
"""


class Test(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tests = Path(folder.name) / "tests"
        self.tests.mkdir()
        self.table = self.tests / "CONTRACT.md"
        self.table.write_text(TABLE, encoding="utf-8")
        self.source = self.tests / "one_test.cpp"
        self.source.write_text("TEST(one, C01Holds) {}\nTEST_P(one, TakesNothing) {}\n", encoding="utf-8")

    def found(self, *options):
        command = [sys.executable, "-B", ROOT / "scripts/check_contract", "--root", self.tests.parent, *options]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        self.assertEqual(run.returncode == 0, "every rule has its tests" in run.stdout)
        return run.stdout

    def change(self, file, old, new):
        text = file.read_text(encoding="utf-8")
        self.assertTrue(old in text)
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def test_passes_what_is_complete(self):
        self.assertIn("every rule has its tests", self.found())

    def test_finds_a_test_that_does_not_exist(self):
        self.change(self.source, "TakesNothing", "TakesALittle")
        self.assertIn("none names one.TakesNothing", self.found())

    def test_finds_a_rule_without_a_row(self):
        self.change(self.table, "| C-01 | One. | `one.C01Holds` |\n", "")
        self.assertIn("C-01 has no row", self.found())

    def test_finds_a_row_without_a_test(self):
        self.change(self.table, "*open*: not made yet", "")
        self.assertIn("C-02 names no test", self.found())

    def test_finds_a_rule_with_two_rows(self):
        self.change(self.table, "| C-02 |", "| C-01 |")
        self.assertIn("C-01 has two rows", self.found())

    def test_finds_a_test_that_is_not_in_the_row_of_its_number(self):
        self.change(self.source, "C01Holds) {}", "C01Holds) {}\nTEST_ON_WORKERS(one, C01C02HoldsTwice) {}")
        found = self.found()
        self.assertIn("C-01: one.C01C02HoldsTwice has its number", found)
        self.assertIn("C-02: one.C01C02HoldsTwice has its number", found)

    def test_adds_a_test_to_the_row_of_its_number(self):
        self.change(self.source, "C01Holds) {}", "C01Holds) {}\nTEST_F(one, C01C02HoldsTwice) {}")
        self.assertIn("every rule has its tests", self.found("--add"))

    def test_finds_that_there_is_no_table(self):
        self.table.write_text("", encoding="utf-8")
        self.assertIn("there is no rule", self.found())


if __name__ == "__main__":
    unittest.main()
