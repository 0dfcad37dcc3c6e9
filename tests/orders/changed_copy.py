"""A copy of the sources in which a test changes one thing."""

import shutil
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class ChangedCopy(unittest.TestCase):
    FOLDERS = ("include", "scheduler")

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.copy = Path(folder.name)
        for name in self.FOLDERS:
            shutil.copytree(ROOT / name, self.copy / name, ignore=shutil.ignore_patterns("results", "notes"))

    def change(self, file, old, new):
        path = self.copy / file
        text = path.read_text(encoding="utf-8")
        self.assertTrue(old in text, f"the test is out of date: {file} no longer has {old!r}")
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
