"""scripts/check_floors: what it finds in a copy of the sources in which one thing was changed."""

import subprocess
import sys
import unittest

from changed_copy import ROOT, ChangedCopy

MAP = "scheduler/README.md"
CREW = "scheduler/worker/crew.hpp"


class Test(ChangedCopy):
    FOLDERS = ("include", "scheduler", "bench")

    def findings(self):
        command = [sys.executable, "-B", ROOT / "scripts/check_floors", "--root", self.copy]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual((found.returncode, found.stderr), ("the map is complete" not in found.stdout, ""))
        return found.stdout.splitlines()[:-1]

    def test_nothing_is_found_where_nothing_was_changed(self):
        self.assertEqual(self.findings(), [])

    def test_an_include_of_a_higher_floor_is_found(self):
        self.change(CREW, "#pragma once", '#pragma once\n#include "job/failure.hpp"')
        self.assertEqual(self.findings(),
                         [f"{CREW}: is on floor 3 and includes scheduler/job/failure.hpp, which is on floor 5"])
        self.change(CREW, '#include "job/failure.hpp"', "#include <coppice/detail/job_core.hpp>")
        self.assertEqual(self.findings(),
                         [f"{CREW}: is on floor 3 and includes include/coppice/detail/job_core.hpp, "
                          "which is on floor 5"])

    def test_an_include_of_the_baseline_and_one_by_it_are_found(self):
        self.change("scheduler/stores/shelves.hpp", "#pragma once", "#pragma once\n#include <coppice/fifo_pool.hpp>")
        self.change("scheduler/fifo/seat.hpp", "#pragma once", '#pragma once\n#include "stores/shelves.hpp"')
        self.assertEqual([line.partition(":")[0] for line in self.findings()],
                         ["scheduler/fifo/seat.hpp", "scheduler/stores/shelves.hpp"])

    def test_a_source_that_is_not_in_the_map_is_found(self):
        (self.copy / "scheduler/worker/new.cpp").touch()
        (self.copy / "include/coppice/detail/new.hpp").touch()
        self.assertEqual(self.findings(), ["include/coppice/detail/new.hpp: is on no floor",
                                           'scheduler/worker/new.cpp: has no row in "Files"'])

    def test_a_source_on_two_floors_is_found(self):
        self.change(MAP, "detail/{worker,", "detail/{tally,worker,")
        self.assertIn("include/coppice/detail/tally.hpp: is on floor 3 and on floor 2", self.findings())

    def test_what_the_map_names_and_is_not_there_is_found(self):
        self.change(MAP, "detail/{deque,", "detail/{dequeue,")
        self.change(MAP, "`platform/cgroup`", "`platform/cgroups`")
        found = self.findings()
        self.assertIn(f"{MAP}: floor 2 names include/coppice/detail/dequeue.hpp, where no source is", found)
        self.assertIn(f"{MAP}: has a row for scheduler/platform/cgroups, which is not there", found)

    def test_who_looks_up_without_a_row_and_a_row_without_need_are_found(self):
        self.change(MAP, "| `job/task_run.cpp` | `verbs/origin.hpp` |", "| `job/task_run.cpp` | `verbs/held.hpp` |")
        self.assertEqual(self.findings(), [
            f"{MAP}: lets scheduler/job/task_run.cpp look up to scheduler/verbs/held.hpp, which it does not",
            "scheduler/job/task_run.cpp: is on floor 5 and includes scheduler/verbs/origin.hpp, which is on floor 6"])

    def test_another_door_and_one_without_use_are_found(self):
        self.change(CREW, "#pragma once", "#pragma once\n#include <hwloc.h>")
        self.change("bench/runtimes/serial.cpp", "#include", "#include <oneapi/tbb/info.h>\n#include")
        self.change(MAP, "`platform/futex.cpp` |", "`platform/futex.cpp`, `platform/thread.cpp` |")
        self.assertEqual(self.findings(), [
            "bench/runtimes/serial.cpp: includes <oneapi/tbb/>, whose door is elsewhere",
            f"{MAP}: names scheduler/platform/thread.cpp as a door to <linux/futex.h>, which it does not include",
            f"{CREW}: includes <hwloc.h>, whose door is elsewhere"])


if __name__ == "__main__":
    unittest.main()
