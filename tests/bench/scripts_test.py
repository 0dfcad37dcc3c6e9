"""scripts/bench and the scripts beside it, on small reports."""

import importlib.util
import json
import subprocess
import sys
import tempfile
import unittest
from importlib.machinery import SourceFileLoader
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(SCRIPTS))
sys.dont_write_bytecode = True

# Two workloads, so small that each figure below can be worked out by hand.
SMALL = {
    "context": {"machine": "test-2-cores", "compiler": "GNU 12.2.0", "flags": "-O3", "commit": "abc", "size": "quick"},
    "rows": [
        {"name": "fib/serial/n:20", "seconds": [1.0, 1.1, 0.9], "counters": {"tasks": [1e6, 1e6, 1e6]}},
        {"name": "fib/coppice/n:20/workers:1", "seconds": [1.9, 2.0, 2.2], "counters": {"peak_mib": [10, 12, 11]}},
        {"name": "fib/coppice/n:20/workers:2", "seconds": [0.8, 0.8, 0.8], "counters": {"steals": [3, 5, 4]}},
        {"name": "fib/onetbb_invoke/n:20/workers:1", "seconds": [9.0, 9.0, 9.0]},
        {"name": "fib/onetbb_group/n:20/workers:1", "seconds": [4.0, 4.0, 4.0]},
        {"name": "fib/onetbb_group/n:20/workers:2", "seconds": [0.4, 0.5, 0.4]},
        {"name": "fib/fifo_cutoff/n:20/workers:2", "seconds": [0.3, 0.3, 0.3]},
        {"name": "wake/coppice/workers:1", "seconds": [1e-5], "samples": {"start_us": [3, 1, 2]},
         "counters": {"start_us": [2], "back_p99_us": [9.5]}},
        {"name": "idle/coppice/workers:1", "seconds": [1.0], "counters": {"cpu_percent": [0.01]}},
    ],
}

# Stands in for coppice_bench: what Google Benchmark takes and gives, as far as scripts/bench uses it.
PROGRAM = """#!/usr/bin/env python3
import json, os, sys
rows = {"fib/serial/n:20/real_time": float(os.environ.get("SERIAL", 1)), "fib/coppice/n:20/workers:1/real_time": 2.0, "wake/coppice/workers:1/iterations:3/manual_time": 9.0}
arguments = dict(a[2:].partition("=")[::2] for a in sys.argv[1:])
if "benchmark_list_tests" in arguments:
    print("\\n".join([*rows, "bad/coppice/workers:1/real_time"]))
    sys.exit(0)
with open(os.environ["RAN"], "a") as ran:
    ran.write(arguments["benchmark_filter"] + os.environ.get("COPPICE_PIN", "") + "\\n")
name = arguments["benchmark_filter"].strip("^$").replace("\\\\", "")
if name not in rows:
    print("coppice_bench: wrong result of bad", file=sys.stderr)
    sys.exit(134)
if name.startswith("wake"):
    with open(os.environ["COPPICE_BENCH_SAMPLES"], "w") as samples:
        json.dump({"start_us": [1, 2, 300], "back_us": [4, 5, 600]}, samples)
run = {"name": name, "real_time": rows[name], "time_unit": "ms", "run_type": "iteration", "iterations": 7, "tasks": 50.0}
if name.startswith("wake"):
    run |= {"back_us": 5.0, "back_p99_us": 600.0}
with open(arguments["benchmark_out"], "w") as out:
    json.dump({"context": {"processor": "Intel(R) Xeon(R) CPU E5 @ 2.4GHz", "cores": "2", "host_name": "secret",
        "commit": os.environ["COPPICE_BENCH_COMMIT"], "flags": os.environ.get("FLAGS", "-g -O3")}, "benchmarks": [run]}, out)
"""


def script(name):
    loader = SourceFileLoader(name, str(SCRIPTS / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def changed(name, seconds):
    rows = [r | {"seconds": seconds} if r["name"] == name else r for r in SMALL["rows"]]
    return SMALL | {"rows": rows}


class Test(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, content, name="report.json"):
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    def run_script(self, name, *arguments, **more):
        return subprocess.run([sys.executable, "-B", SCRIPTS / name, *arguments], capture_output=True, text=True,
                              check=False, **more)

    def cells(self, table, row):
        """The cells of a row in the section of its workload, by the head of the section."""
        section = [s for s in table.split("\n## ") if not s.startswith(("coppice over", "Where")) and f"`{row}`" in s][0]
        head, _, *lines = [line.strip("| ").split(" |") for line in section.splitlines() if line.startswith("|")]
        [line] = [li for li in lines if f"`{row}`" in li[0]]
        return dict(zip([h.strip() for h in head], [c.strip() for c in line]))

    def table(self, report=SMALL):
        done = self.run_script("bench_table", self.file(report))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_table_derives_each_column(self):
        table = self.table()
        one = self.cells(table, "fib/coppice/n:20/workers:1")
        self.assertEqual(one["median"], "2 s")
        self.assertEqual(one["spread"], "1.16")
        self.assertEqual(one["T1/Ts"], "2.00")
        self.assertEqual(one["Ts/Tp"], "0.50")
        self.assertEqual(one["ns per task"], "2e+03")
        self.assertEqual(one["peak MiB"], "11")
        two = self.cells(table, "fib/coppice/n:20/workers:2")
        self.assertEqual(two["T1/Ts"], "")
        self.assertEqual(two["Ts/Tp"], "1.25")
        self.assertEqual(two["T1/Tp"], "2.50")
        self.assertIn("steals 4", two["counters"])

    def test_the_better_idiom_of_onetbb_is_compared_with(self):
        table = self.table()
        self.assertEqual(self.cells(table, "fib/coppice/n:20/workers:1")["over oneTBB"], "0.50")
        self.assertIn("*", self.cells(table, "fib/onetbb_group/n:20/workers:1")["row"])
        self.assertNotIn("*", self.cells(table, "fib/onetbb_invoke/n:20/workers:1")["row"])

    def test_where_coppice_is_behind_is_listed_worst_first_without_cutoffs(self):
        report = changed("fib/coppice/n:20/workers:2", [1.6, 1.6, 1.6])
        section = self.table(report).split("## Where coppice is behind")[1].split("\n## ")[0]
        lines = [line for line in section.splitlines() if "workers:2" in line]
        self.assertEqual(len(lines), 2, section)
        self.assertIn("| 4.00 |", lines[0])
        self.assertIn("`fib/onetbb_group/n:20/workers:2`", lines[0])
        self.assertIn("`fib/serial/n:20`", lines[1])

    def behind(self, **seconds):
        """(row, its line) of those in which coppice is behind, in a report of rows with these times."""
        rows = [{"name": name, "seconds": of if isinstance(of, list) else [of]} for name, of in seconds.items()]
        self.of_rows = self.table(SMALL | {"rows": rows})
        lines = self.of_rows.split("## Where coppice is behind")[1].split("\n## ")[0].splitlines()
        return [(line.split("`")[1], line.split("`")[3], line) for line in lines if line.startswith("| `")]

    def test_rows_that_give_different_things_are_compared_each_with_its_like(self):
        [(row, peer, line)] = self.behind(**{
            "pipe/coppice/workers:2": 1.0, "pipe/coppice_ordered/workers:2": 3.0,
            "pipe/onetbb/workers:2": 2.0, "pipe/onetbb_ordered/workers:2": 2.5, "pipe/fifo_ordered/workers:2": 3.5})
        self.assertEqual((row, peer), ("pipe/coppice_ordered/workers:2", "pipe/onetbb_ordered/workers:2"))
        self.assertIn("| 1.20 |", line)
        self.assertRegex(self.of_rows, r"\| 2 \| oneTBB \| 2 \| 1 \| 0 \| 0.77 \| 0.50 to 1.20 \|")
        self.assertEqual(self.cells(self.of_rows, "pipe/coppice_ordered/workers:2")["over oneTBB"], "1.20")

    def test_what_only_one_of_them_has_is_compared_and_said(self):
        many = self.behind(**{"many_jobs/coppice/workers:2": 2.0, "many_jobs/coppice_detach/workers:2": 3.0,
                              "many_jobs/onetbb/workers:2": 1.0, "many_jobs/fifo/workers:2": 2.5})
        self.assertEqual([(row, peer.split("/")[1]) for row, peer, _ in many],
                         [("many_jobs/coppice_detach/workers:2", "onetbb"), ("many_jobs/coppice/workers:2", "onetbb"),
                          ("many_jobs/coppice_detach/workers:2", "fifo")])
        self.assertEqual(["reports nothing" in line for *_, line in many], [False, True, True])
        self.assertIn("the peer reports nothing", many[1][2])
        self.assertIn("coppice reports nothing", many[2][2])
        self.assertRegex(self.of_rows, r"\| 2 \| oneTBB \| 2 \| 0 \| 0 \| 2.45 \|")
        [(_, peer, line)] = self.behind(**{"outside_job/coppice/workers:1": 3.0, "outside_job/onetbb_execute/workers:1": 1.0,
                                           "outside_job/onetbb_enqueue/workers:1": 4.0})
        self.assertEqual(peer, "outside_job/onetbb_execute/workers:1")
        self.assertIn("the peer has its caller work", line)
        self.assertRegex(self.of_rows, r"\| 1 \| oneTBB \| 2 \| 1 \| 0 \| 1.50 \|")

    def test_the_pool_is_a_peer_where_it_has_no_cutoff_and_has_no_mean(self):
        found = self.behind(**{"stand/coppice/threads:64": 2.0, "stand/fifo/threads:64": 1.0,
                               "imbalance/coppice/workers:2": 3.0, "imbalance/fifo/workers:2": 2.0,
                               "imbalance/fifo_chunks/workers:2": 1.0})
        self.assertEqual([peer for _, peer, _ in found], ["stand/fifo/threads:64", "imbalance/fifo/workers:2"])
        self.assertNotIn("FIFO", self.of_rows.split("## Where coppice is behind")[0])

    def test_a_ratio_within_the_spread_is_marked(self):
        found = self.behind(**{"fib/coppice/workers:2": [1.0, 1.2, 1.1], "fib/onetbb/workers:2": [1.0, 1.0, 1.0],
                               "fib/openmp/workers:2": [0.9, 0.9, 0.9]})
        self.assertEqual([line.split(" | ")[1] for *_, line in found], ["1.22", "~1.10"])
        self.assertRegex(self.of_rows, r"\| 2 \| oneTBB \| 1 \| 0 \| 1 \| 1.10 \|")
        self.assertEqual(self.cells(self.of_rows, "fib/coppice/workers:2")["over oneTBB"], "~1.10")

    def test_an_idle_row_has_no_time(self):
        idle = self.cells(self.table(), "idle/coppice/workers:1")
        self.assertNotIn("median", idle)
        self.assertIn("cpu_percent 0.01", idle["counters"])

    def test_a_response_shows_its_tail(self):
        counters = self.cells(self.table(), "wake/coppice/workers:1")["counters"]
        self.assertEqual(counters, "start_us 2, back_p99_us 9.5")

    def test_a_report_that_is_none_is_refused_with_its_name(self):
        for content in ("no json", {"context": {}}, {"context": {}, "rows": []},
                        {"context": {}, "rows": [{"name": "fib/coppice", "seconds": []}]}):
            path = self.file(content)
            for name in ("bench_table", "bench_plot"):
                done = self.run_script(name, path)
                self.assertEqual(done.returncode, 1)
                self.assertIn(str(path), done.stderr)
                self.assertNotIn("Traceback", done.stderr)

    def compare(self, after, *arguments):
        old, new = self.file(SMALL, "old.json"), self.file(after, "new.json")
        done = self.run_script("bench_compare", *arguments, old, new)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {line.split()[0]: line for line in done.stdout.splitlines() if line}

    def test_a_run_compared_with_itself_has_no_verdict(self):
        lines = self.compare(SMALL)
        self.assertRegex(lines["fib/serial/n:20"], r"1\.000$")
        self.assertRegex(lines["coppice:"], "geometric mean 1.000, 0 slower, 0 faster")

    def test_times_that_do_not_overlap_are_slower_or_faster(self):
        name = "fib/coppice/n:20/workers:1"
        self.assertTrue(self.compare(changed(name, [2.3, 2.5, 2.4]))[name].endswith("1.200  slower"))
        self.assertTrue(self.compare(changed(name, [1.0, 1.5, 1.8]))[name].endswith("0.750  faster"))
        self.assertRegex(self.compare(changed(name, [2.1, 2.5, 2.4]))[name], r"1\.200$")

    def test_a_pattern_that_is_none_is_refused(self):
        report = self.file(SMALL)
        done = self.run_script("bench_compare", "--only", "(", report, report)
        self.assertEqual(done.returncode, 2)
        self.assertIn("'(' is no regular expression", done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_rows_of_one_run_only_are_named(self):
        lines = self.compare(SMALL | {"rows": SMALL["rows"][1:]})
        self.assertIn("only", lines)
        self.assertIn("fib/serial/n:20", lines["only"])

    def test_another_compiler_is_said(self):
        other = SMALL | {"context": SMALL["context"] | {"compiler": "Clang 19"}}
        self.assertIn("not", self.compare(other))

    def test_a_run_without_a_warm_up_is_not_taken_for_one_with(self):
        other = SMALL | {"context": SMALL["context"] | {"warm_up": "1 iteration"}}
        self.assertIn("warm_up", self.compare(other)["not"])

    def test_the_plots_draw_speed_up_against_the_serial_program(self):
        module = script("bench_plot")
        import bench_report

        report = bench_report.load(self.file(SMALL))
        self.assertEqual(module.compared_inputs(report), [("fib", "n:20")])
        self.assertEqual(module.speedups(report, ("fib", "n:20"), "coppice"), [(1, 0.5), (2, 1.25)])
        self.assertEqual(module.speedups(report, ("fib", "n:20"), "onetbb"), [(1, 0.25), (2, 2.5)])
        self.assertEqual(module.speedups(report, ("fib", "n:20"), "fifo"), [])
        self.assertEqual(module.shares([3, 1, 2]), ([1, 2, 3], [1 / 3, 2 / 3, 1]))

    def test_the_plots_draw_the_standard_library(self):
        std = {"name": "fib/std_par/n:20/workers:1", "seconds": [3.0]}
        self.file(SMALL | {"rows": [*SMALL["rows"], std]})
        # By its own interpreter, for which matplotlib is installed.
        done = subprocess.run([SCRIPTS / "bench_plot", self.folder], capture_output=True, text=True, check=False)
        if "matplotlib is missing" in done.stderr:
            self.skipTest("no matplotlib")
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("speedup.svg", "overhead.svg"):
            self.assertIn("standard library", (self.folder / name).read_text(encoding="utf-8"))

    def test_a_machine_has_a_short_name(self):
        import bench_report

        name = bench_report.machine_name
        self.assertEqual(name("Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", 40), "xeon-gold-6248-40-cores")
        self.assertEqual(name("AMD EPYC 7763 64-Core Processor", 1), "amd-epyc-7763-1-core")
        self.assertEqual(name("AMD EPYC, family 25", 2), "amd-epyc-family-25-2-cores")
        self.assertEqual(name("", 2), "unknown-2-cores")

    def bench(self, *arguments, **environment):
        program = self.file(PROGRAM, "coppice_bench")
        program.chmod(0o755)
        self.ran = self.folder / "ran"
        out = self.folder / "out"
        import os

        done = self.run_script("bench", "--program", program, "--out", out, *arguments,
                               env=os.environ | {"RAN": str(self.ran)} | environment)
        return done, out

    def test_bench_runs_each_row_as_often_as_asked_in_turns(self):
        done, out = self.bench("--repetitions", "2", "--only", "^(fib|wake)/")
        report = json.loads((out / "report.json").read_text(encoding="utf-8")) if out.exists() else done.stderr
        rows = {r["name"]: r for r in report["rows"]}
        self.assertEqual(sorted(rows), ["fib/coppice/n:20/workers:1", "fib/serial/n:20", "wake/coppice/workers:1"])
        self.assertEqual(rows["fib/serial/n:20"]["seconds"], [0.001, 0.001])
        self.assertEqual(rows["fib/serial/n:20"]["iterations"], [7, 7])
        self.assertEqual(rows["fib/serial/n:20"]["counters"], {"tasks": [50.0, 50.0]})
        ran = self.ran.read_text(encoding="utf-8").splitlines()
        self.assertEqual(len(ran), 6)
        for begin in (0, 2):  # each repetition of fib has both of its rows
            self.assertEqual(len(set(ran[begin:begin + 2])), 2, ran)
            self.assertTrue(all("fib" in r for r in ran[begin:begin + 2]), ran)

    def test_bench_measures_the_defaults_whatever_its_caller_has_set(self):
        done, _ = self.bench("--repetitions", "1", "--only", "^fib/", COPPICE_PIN="none", COPPICE_WORKERS="3")
        ran = self.ran.read_text(encoding="utf-8") if self.ran.exists() else done.stderr
        self.assertIn("fib", ran)
        self.assertNotIn("none", ran)

    def test_bench_takes_the_median_of_wake_ups_and_keeps_their_samples(self):
        done, out = self.bench("--repetitions", "1", "--only", "^wake/")
        [row] = json.loads((out / "report.json").read_text(encoding="utf-8"))["rows"]
        self.assertAlmostEqual(row["seconds"][0], 5e-6)  # not the mean, which is 9 ms
        self.assertEqual(row["counters"]["back_p99_us"], [600.0])
        self.assertEqual(row["samples"], {"start_us": [1, 2, 300], "back_us": [4, 5, 600]})

    def test_bench_refuses_a_program_that_is_not_optimized(self):
        for flags in ("-falign-functions=64", "-O0", "-Og -g"):
            done, out = self.bench("--repetitions", "1", "--only", "^fib/", FLAGS=flags)
            self.assertEqual(done.returncode, 1)
            self.assertIn("without optimization", done.stderr)
            self.assertFalse(out.exists())

    def test_bench_names_no_host(self):
        _, out = self.bench("--repetitions", "1", "--only", "^fib/")
        text = (out / "report.json").read_text(encoding="utf-8")
        self.assertNotIn("secret", text)
        self.assertIn("xeon-e5-2-cores", text)

    def test_bench_goes_on_after_a_row_that_fails_and_fails_at_the_end(self):
        done, out = self.bench("--repetitions", "1", "--only", "^(fib|bad)/")
        self.assertEqual(done.returncode, 1)
        self.assertIn("bad/coppice/workers:1: ended with 134", done.stderr)
        self.assertIn("wrong result of bad", done.stderr)
        table = (out / "table.md").read_text(encoding="utf-8")
        self.assertIn("fib/serial/n:20", table)
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
        self.assertEqual(report["failed"], {"bad/coppice/workers:1": "ended with 134: coppice_bench: wrong result of bad"})
        failed = table.split("## Rows that failed")[1].split("\n## ")[0]
        self.assertIn("| `bad/coppice/workers:1` | ended with 134: coppice_bench: wrong result of bad |", failed)
        self.assertIn("Rows that failed", done.stdout)

    def test_a_table_that_is_not_made_is_said_and_none_lies_there(self):
        (self.folder / "out").mkdir()
        (self.folder / "out/table.md").write_text("that of another run", encoding="utf-8")
        done, out = self.bench("--repetitions", "1", "--only", "^fib/", SERIAL="0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no table: scripts/bench_table ended with 1", done.stderr)
        self.assertIn("rows without times: fib/serial/n:20", done.stderr)
        self.assertFalse((out / "table.md").exists())

    def test_no_plot_of_another_run_lies_beside_a_report(self):
        (self.folder / "out").mkdir()
        for name in ("speedup.svg", "overhead.svg", "wakeup.svg"):
            (self.folder / "out" / name).write_text("that of another run", encoding="utf-8")
        _, out = self.bench("--repetitions", "1", "--only", "^fib/serial")  # nothing to draw
        self.assertEqual(sorted(p.name for p in out.iterdir()), ["report.json", "table.md"])

    def test_only_a_run_without_options_replaces_the_results_of_a_machine(self):
        module = script("bench")
        results = ROOT / "bench/results/m"

        def folder(*arguments, environment=None, long=False):
            return module.folder_of(module.options_of(arguments), environment or {}, long, "m")

        self.assertEqual(folder(), results)
        self.assertEqual(folder("--repetitions", "2"), results)
        self.assertEqual(folder("--quick"), results / "quick")
        self.assertEqual(folder("--only", "^fib/"), ROOT / "build/bench/only")
        for arguments in (["--compiler", "clang++"], ["--workers", "1"], ["--program", "x"], ["--quick", "--workers", "1"]):
            self.assertEqual(folder(*arguments), ROOT / "build/bench/other")
        self.assertEqual(folder(long=True), ROOT / "build/bench/other")
        self.assertEqual(folder(environment={"COPPICE_BENCH_FIB": "37"}), ROOT / "build/bench/other")
        self.assertEqual(folder("--workers", "1", "--out", "x"), Path("x"))

    def test_of_a_program_that_is_given_no_commit_is_claimed(self):
        _, out = self.bench("--repetitions", "1", "--only", "^fib/")
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
        self.assertEqual(report["context"]["commit"], "unknown: a program was given")

    def test_bench_refuses_what_it_does_not_know(self):
        for arguments in (["--workers", "1,0"], ["--only", "("], ["--repetitions", "0"], ["--fast"]):
            done, _ = self.bench(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
        done, _ = self.bench("--only", "nothing")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no row matches 'nothing'", done.stderr)

    def test_more_than_five_percent_more_instructions_fail(self):
        judge = script("instruction_counts").judge
        self.assertTrue(judge({"fork": 104.9}, {"fork": 100.0})[1])
        lines, well = judge({"fork": 105.1, "spawn": 50.0}, {"fork": 100.0, "spawn": 50.0})
        self.assertFalse(well)
        self.assertIn("TOO MANY", lines[0])
        self.assertNotIn("TOO MANY", lines[1])
        self.assertFalse(judge({"fork": 100.0}, {})[1])
        self.assertFalse(judge({}, {"fork": 100.0})[1])

    def test_instructions_are_read_off_a_dump(self):
        total_of = script("instruction_counts").total_of
        self.assertEqual(total_of("events: Ir\nsummary: 4711\n\nob=(8)\n"), 4711)
        self.assertEqual(total_of("events: Ir\n"), 0)


if __name__ == "__main__":
    unittest.main()
