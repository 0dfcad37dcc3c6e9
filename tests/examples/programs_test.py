"""The examples but tree_walk and csv_import: what they print, with one worker and with many."""

import hashlib
import re
import subprocess
import unittest

import examples

WORKERS = ("1", "2", "7")
MODES = [("--serial",)] + [("--workers", n) for n in WORKERS]
FEW_MODES = [("--serial",), ("--workers", "3")]  # for what takes minutes under a sanitizer

# Each program with arguments that keep it short.
SHORT = {
    "fib": ("20",),
    "nqueens": ("8",),
    "quicksort": ("1000",),
    "uts": ("--tree", "T1"),
    "many_errors": (),
    "deadline": ("--starts", "2"),
    "stop_a_search": ("--bits", "8"),
    "sleepy_tasks": ("--unit", "1"),
    "background_pool": ("--tasks", "3", "--nap", "0"),
    "pipeline": ("/usr/include/linux",),
    "tree_walk": ("/usr/include",),
}


class Test(unittest.TestCase):
    def same_in_each_mode(self, name, program, *arguments, modes=MODES):
        for mode in modes:
            examples.compare(examples.run(program, *arguments, *mode), name)

    def json_in_each_mode(self, program, *arguments, **expected):
        for mode in MODES:
            printed = examples.run_json(program, *arguments, *mode)
            self.assertEqual(list(printed), [*expected, "seconds", "workers"])
            self.assertGreaterEqual(printed.pop("seconds"), 0)
            self.assertEqual(printed.pop("workers"), 1 if mode == ("--serial",) else int(mode[1]))
            self.assertEqual(printed, expected)

    def test_fib_is_the_same_in_each_mode(self):
        self.same_in_each_mode("fib", "fib", "25")
        self.json_in_each_mode("fib", "25", result=75025)
        self.json_in_each_mode("fib", "0", result=0)
        self.json_in_each_mode("fib", "1", result=1)

    def test_nqueens_is_the_same_in_each_mode(self):
        self.same_in_each_mode("nqueens", "nqueens", "9")
        for n, solutions in enumerate((1, 0, 0, 2, 10, 4, 40, 92, 352, 724), start=1):
            self.json_in_each_mode("nqueens", str(n), result=solutions)

    def test_quicksort_is_the_same_in_each_mode(self):
        self.same_in_each_mode("quicksort", "quicksort", "100000")
        for n in (0, 1, 2, 24, 25, 1000):
            self.json_in_each_mode("quicksort", str(n), result=checksum(n))

    def test_uts_t1_has_the_published_size(self):
        self.same_in_each_mode("uts_t1", "uts", "--tree", "T1", modes=FEW_MODES)

    def test_uts_t3_has_the_published_size(self):
        self.same_in_each_mode("uts_t3", "uts", "--tree", "T3", modes=FEW_MODES)
        printed = examples.run_json("uts", "--tree", "T3")
        self.assertEqual(
            (printed["nodes"], printed["leaves"], printed["max_depth"]), (4112897, 3599034, 1572), printed
        )

    def test_many_errors_collects_the_same_errors_every_time(self):
        for n in WORKERS * 5:
            text = examples.run("many_errors", "--policy", "collect_all", "--workers", n)
            examples.compare(text, "many_errors")

    def test_many_errors_under_fail_fast_reports_some_of_them_and_loses_none(self):
        def error_lines(text):
            return set(re.findall(r"^    (root.*?)(?:, after the cancel)?(?:, secondary)?$", text, re.MULTILINE))

        everything = error_lines(examples.run("many_errors", "--policy", "collect_all"))
        self.assertEqual(len(everything), 11)
        for n in WORKERS * 5:
            text = examples.run("many_errors", "--policy", "fail_fast", "--workers", n)
            self.assertTrue(text.startswith('job "fail_fast" failed after '), text)
            counts = re.search(
                r"(\d+) spawned, (\d+) succeeded, (\d+) failed, (\d+) cancelled, (\d+) skipped", text
            ).groups()
            spawned, *became = map(int, counts)
            self.assertEqual(spawned, sum(became), text)
            self.assertIn("  stopped by root/", text)
            some = error_lines(text)
            self.assertTrue(some and some <= everything, text)

    def test_deadline_finds_the_same_tour_whoever_looks(self):
        arguments = ("--budget", "600000", "--cities", "60", "--starts", "40")
        texts = [examples.run("deadline", *arguments, "--workers", n) for n in WORKERS]
        for text in texts:
            examples.compare(text, "deadline")
            self.assertEqual(text.splitlines()[0], texts[0].splitlines()[0])

    def test_deadline_leaves_with_what_it_has(self):
        text = examples.run("deadline", "--budget", "300", "--cities", "300")
        self.assertRegex(text, r"^300 cities, [1-9]\d* starts of 1048576: the shortest tour is \d+\.\d+")
        self.assertIn('job "tour" exceeded its deadline after ', text)
        self.assertIn("stopped by outside: its deadline was reached", text)
        self.assertIn(" 0 failed, ", text)

    def test_deadline_of_nothing_runs_nothing(self):
        examples.compare(examples.run("deadline", "--budget", "0", status=1), "deadline_of_nothing")

    def test_stop_a_search_stops_at_a_real_hit(self):
        for n in WORKERS * 3:
            text = examples.run("stop_a_search", "--bits", "16", "--workers", n)
            hit = re.fullmatch(
                r'hit: SHA-1 of "(coppice \d+)" is ([0-9a-f]{40})\n'
                r"tasks: (\d+) run, (\d+) skipped\n"
                r'stopped by root[/0-9]+ for the reason "found \d+", while \d+ tasks? (was|were) running; '
                r"quiet after \d+\.\d{3} ms\n",
                text,
            )
            self.assertTrue(hit, text)
            self.assertEqual(hashlib.sha1(hit[1].encode()).hexdigest(), hit[2])
            self.assertTrue(hit[2].startswith("0000"), text)
            # A search of 2^40 numbers that has stopped: few tasks of many million ran.
            self.assertLess(int(hit[3]), 100000)
            self.assertGreater(int(hit[4]), 0)

    def test_stop_a_search_reports_as_json(self):
        printed = examples.run_json("stop_a_search", "--bits", "12")
        self.assertEqual(list(printed), ["result", "seconds", "workers", "run", "skipped", "cancel"])
        self.assertEqual(hashlib.sha1(printed["result"]["text"].encode()).hexdigest(), printed["result"]["sha1"])
        self.assertEqual(printed["cancel"]["reason"], "found " + printed["result"]["text"].split()[1])

    def test_stop_a_search_without_a_hit_says_so(self):
        arguments = ("--bits", "160", "--limit", "100000")
        examples.compare(examples.run("stop_a_search", *arguments, status=1), "stop_a_search_no_hit")
        printed = examples.run_json("stop_a_search", *arguments, status=1)
        self.assertEqual((printed["result"], printed["cancel"], printed["skipped"]), (None, None, 0))

    def test_each_program_has_help(self):
        for program in SHORT:
            self.assertIn("Usage: " + program, examples.run(program, "--help"))

    def test_a_wrong_command_line_is_status_2_and_one_message(self):
        for program, wrong in [
            ("fib", ()),
            ("fib", ("94",)),
            ("fib", ("-1",)),
            ("nqueens", ("0",)),
            ("nqueens", ("x",)),
            ("quicksort", ("-5",)),
            ("uts", ("--tree", "T2")),
            ("uts", ()),
            ("many_errors", ("--policy", "none")),
            ("deadline", ("--cities", "2")),
            ("deadline", ("--budget", "soon")),
            ("deadline", ("--budget", "-1")),
            ("deadline", ("--starts", "0")),
            ("stop_a_search", ("--limit", "-1")),
            ("stop_a_search", ("--bits", "161")),
            ("sleepy_tasks", ("--levels", "0")),
            ("background_pool", ("--nap", "-1")),
            ("pipeline", ()),
            ("pipeline", ("/nonexistent",)),
        ]:
            self.assertEqual(examples.run(program, *wrong, status=2), "")
        for program, arguments in SHORT.items():
            for wrong in (("--workers", "4097"), ("--workers", "-1"), ("--nonsense",)):
                self.assertEqual(examples.run(program, *arguments, *wrong, status=2), "")

    def test_output_that_cannot_be_written_is_status_1(self):
        for program, arguments in SHORT.items():
            with open("/dev/full", "wb") as full:
                done = subprocess.run(
                    [str(examples.PROGRAMS / program), *arguments], stdout=full, stderr=subprocess.PIPE, check=False
                )
            self.assertEqual(done.returncode, 1, program)
            self.assertIn(b"No space left on device", done.stderr)


def checksum(n):
    """What quicksort prints for N, by another sort."""
    word = (1 << 64) - 1
    state, numbers = 0, []
    for _ in range(n):
        state = (state + 0x9E3779B97F4A7C15) & word
        x = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & word
        x = ((x ^ x >> 27) * 0x94D049BB133111EB) & word
        numbers.append(x ^ x >> 31)
    total = 0xCBF29CE484222325
    for x in sorted(numbers):
        total = ((total ^ x) * 0x100000001B3) & word
    return total


if __name__ == "__main__":
    unittest.main()
