"""scripts/check_orders: what it finds in a copy of the sources in which one thing was changed."""

import subprocess
import sys
import unittest

from changed_copy import ROOT, ChangedCopy

DEQUE = "include/coppice/detail/deque.hpp"
PARKER = "scheduler/worker/parker.hpp"
SLAB = "scheduler/stores/slab.cpp"
DEQUE_TABLES = "scheduler/worker/deque.md"


class Test(ChangedCopy):
    FOLDERS = ("include", "scheduler", "tests/model")

    def setUp(self):
        super().setUp()
        self.before = self.findings()

    def findings(self):
        """The texts without their line numbers, each as often as it is found."""
        command = [sys.executable, "-B", ROOT / "scripts/check_orders", "--root", self.copy]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertIn(found.returncode, (0, 1), found.stderr)
        lines = [line.split(":", 2) for line in found.stdout.splitlines() if "check_orders:" not in line]
        return sorted(f"{name}:{text}" for name, _, text in lines)

    def found(self, file, part):
        after = self.findings()
        for finding in self.before:
            if finding in after:
                after.remove(finding)
        self.assertTrue([f for f in after if f.startswith(file) and part in f], after)

    def test_nothing_is_found_where_nothing_was_changed(self):
        self.assertEqual(self.findings(), self.before)

    def test_an_order_that_the_comment_does_not_say_is_found(self):
        self.change(PARKER, "word_.exchange(woken, memory_order_release)", "word_.exchange(woken, memory_order_acquire)")
        self.found(PARKER, "order(unpark) says release, the code says acquire")

    def test_an_order_that_was_weakened_is_found(self):
        self.change(DEQUE, "head_.store(h + 1, memory_order_release);", "head_.store(h + 1, memory_order_relaxed);")
        self.found(DEQUE, "order(push) says release, the code says relaxed")

    def test_an_order_without_a_comment_is_found(self):
        self.change(SLAB, "  // order(returned): acquire; pairs with the release in give_back().\n", "")
        self.change(SLAB, "returned_[list].exchange(nullptr, memory_order_acquire)", "other_[list].exchange(nullptr, memory_order_acquire)")
        self.found(SLAB, "acquire without // order(name): in reach")

    def test_a_name_that_no_table_has_is_found(self):
        self.change(DEQUE, "// order(push): release;", "// order(shove): release;")
        self.found(DEQUE, "order(shove) is in no table")

    def test_a_name_that_only_another_table_has_is_found(self):
        self.change(DEQUE_TABLES, "## Orders", "## States")
        self.found(DEQUE, "order(push) is in no table")

    def test_a_name_that_no_model_program_covers_is_found(self):
        self.change(DEQUE_TABLES, "| push | `ExposureRacesWithPush`", "| pull | `ExposureRacesWithPush`")
        self.found(DEQUE_TABLES, 'push is in no table "Covered by"')

    def test_a_model_program_that_is_not_there_is_found(self):
        self.change("tests/model/exposure_model.cpp", "MODEL(ExposureRacesWithPush,", "MODEL(ExposureRacesWithShove,")
        self.found(DEQUE_TABLES, "push is covered by ExposureRacesWithPush, which is no program")

    def test_an_end_without_another_is_found(self):
        self.change(DEQUE, "order(push): release; pairs with the acquire of head_ in expose().", "order(alone): release.")
        self.found(DEQUE, "order(alone) has one end only")

    def test_another_end_that_is_not_there_is_found(self):
        self.change(PARKER, "pairs with the acquire of park()", "pairs with the acquire of sleep_here()")
        self.change(PARKER, "order(unpark): release; pairs with the acquire of park()", "order(unpark): release; pairs with sleep_here()")
        self.found(PARKER, "order(unpark) pairs with sleep_here, which is not there")

    def test_a_comment_above_nothing_is_found(self):
        self.change(SLAB, "slab::~slab() {", "slab::~slab() {\n  // order(returned): acquire; pairs with give_back().\n\n\n\n\n")
        self.found(SLAB, "order(returned) stands above no explicit memory order")


if __name__ == "__main__":
    unittest.main()
