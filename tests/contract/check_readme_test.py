"""scripts/check_readme: what it finds in a small tree of its own, right and then broken."""

import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = """# A project

```cpp
int main() {
  return 0;
}
```

```cpp
auto job = submit(task,
                  {.name = name});  // said for readers
```

```cpp
take(piece);
```
"""
EXAMPLE = """void run() {
    auto job = submit(task, {.name = name});
    // [readme: taking]
    take(piece);  // for good
    // [readme]
    end();
}
"""


class Test(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / "examples/part").mkdir(parents=True)
        self.readme, self.example = self.root / "README.md", self.root / "examples/part/one.cpp"
        self.readme.write_text(README, encoding="utf-8")
        self.example.write_text(EXAMPLE, encoding="utf-8")

    def found(self, *options):
        command = [sys.executable, "-B", ROOT / "scripts/check_readme", "--root", self.root, *options]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        self.assertEqual(run.returncode == 0, "all of it is cut from the examples" in run.stdout)
        return run.stdout

    def change(self, file, old, new):
        text = file.read_text(encoding="utf-8")
        self.assertTrue(old in text)
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def test_passes_what_is_cut_from_an_example(self):
        self.assertIn("all of it is cut from the examples", self.found())

    def test_finds_a_block_that_no_example_has(self):
        self.change(self.readme, ".name = name", ".name = task")
        self.assertIn("README.md:9: this is in no example: auto job = submit(task,", self.found())

    def test_finds_a_marked_piece_that_is_no_block(self):
        self.change(self.example, "    // [readme]\n    end();\n", "    end();\n    // [readme]\n")
        self.assertIn("examples/part/one.cpp:3: [readme: taking] is no block of README.md", self.found())

    def test_finds_a_piece_whose_end_is_not_marked(self):
        self.change(self.example, "    // [readme]\n", "")
        self.assertIn("[readme: taking] is no block of README.md", self.found())

    def test_finds_a_program_that_does_not_compile(self):
        compiler = ("--compile", shutil.which("c++") or "c++", "-fsyntax-only", "-x", "c++", "-")
        self.assertIn("all of it is cut from the examples", self.found(*compiler))
        self.change(self.readme, "return 0;", "return zero;")
        self.assertIn("README.md:3: this does not compile: ", self.found(*compiler))

    def test_finds_that_there_is_nothing_to_check(self):
        self.readme.write_text("# A project\n", encoding="utf-8")
        self.assertIn("there is no block of C++", self.found())


if __name__ == "__main__":
    unittest.main()
