"""csv_import, sleepy_tasks, background_pool and pipeline: pools and streams at work."""

import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

import examples


class Test(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="coppice-pools-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def people(self, count):
        path = self.folder / "people.csv"
        examples.run("csv_import", path, "--generate", str(count))
        return path

    def rows(self, db):
        connection = sqlite3.connect(db)
        self.addCleanup(connection.close)
        self.assertEqual(connection.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        return connection.execute("SELECT * FROM people ORDER BY line").fetchall()

    def test_csv_import_gives_the_same_rows_in_each_mode(self):
        path, tables = self.people(20000), []
        for mode in ("serial", "fifo", "scheduler"):
            for workers in ("1", "3"):
                db = self.folder / f"{mode}{workers}.sqlite"
                text = examples.run("csv_import", path, "--db", db, "--mode", mode, "--workers", workers)
                text = re.sub(r"\(.*workers?\)", "(TIME)", text)
                examples.compare(text, "csv_import")
                tables.append(self.rows(db))
        self.assertEqual(len(tables[0]), 19980)
        self.assertTrue(all(table == tables[0] for table in tables))
        # Quotes, commas and line breaks came through.
        self.assertEqual({row[2] for row in tables[0]} - {"Ada Lovelace", "Barbara Liskov"},
                         {'"Grace" Hopper', "Turing, Alan", "Edsger\nDijkstra"})
        self.assertEqual(tables[0][0], (1, 1, '"Grace" Hopper', "user1@example.org", "GB", 101, "1931-02-02"))

    def test_csv_import_killed_in_the_middle_is_completed_by_a_second_run(self):
        path = self.people(100000)
        for mode in ("fifo", "scheduler"):
            db, kills = self.folder / f"{mode}.sqlite", 0
            command = [str(examples.PROGRAMS / "csv_import"), str(path), "--db", str(db), "--mode", mode]
            before = 0
            while kills < 3:
                with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
                    # Something new has been committed, so it is in the middle.
                    while child.poll() is None and self.committed(db) <= before:
                        time.sleep(0.001)
                    child.kill()
                if child.returncode != -signal.SIGKILL:
                    break  # it was faster
                kills += 1
                before = len(self.rows(db))
                self.assertEqual(before % 1000, 0, "whole transactions")
            self.assertGreater(kills, 0)
            text = examples.run("csv_import", path, "--db", db, "--mode", mode)
            self.assertTrue(text.startswith(f"{99900 - before} rows inserted, {before} were there, 100 bad records"), text)
            self.assertEqual(len(self.rows(db)), 99900)

    @staticmethod
    def committed(db):
        try:
            with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
                return connection.execute("SELECT count(*) FROM people").fetchone()[0]
        except sqlite3.Error:
            return 0  # not made yet

    def test_csv_import_refuses_a_database_that_another_file_has_filled(self):
        path, db = self.people(10), self.folder / "people.sqlite"
        examples.run("csv_import", path, "--db", db)
        rows = self.rows(db)
        other = self.folder / "other.csv"
        text = path.read_text()
        for content, line in ((text.replace("Barbara", "Grace"), 5), (text.replace("1,", ",1,", 1), 1),
                              ("\n" + text, 1), (text[: text.rindex("\n10,")], 12), ("", 1)):
            other.write_text(content)
            for mode in ("serial", "fifo", "scheduler"):
                done = examples.run_any("csv_import", other, "--db", db, "--mode", mode)
                self.assertEqual(done.returncode, 1, examples.printable(done.stdout))
                self.assertIn(f"{db} has another row of line {line} than {other}: ".encode(), done.stderr)
                self.assertEqual(self.rows(db), rows)

    def test_csv_import_goes_on_with_a_file_that_has_moved_and_grown_and_was_mended(self):
        path, db = self.people(1000), self.folder / "people.sqlite"
        examples.run("csv_import", path, "--db", db)
        moved = path.rename(self.folder / "moved.csv")
        mended = moved.read_text().replace("a@b.org,DE,ten,", "a@b.org,DE,10.00,")
        moved.write_text(mended + "1001,A,a@b.org,DE,1.00,1980-01-01\n")
        text = examples.run("csv_import", moved, "--db", db)
        self.assertTrue(text.startswith("2 rows inserted, 999 were there, 0 bad records"), text)

    def test_csv_import_of_a_pipe_fills_an_empty_database_only(self):
        content, db = self.people(10).read_bytes(), self.folder / "people.sqlite"
        text = examples.run("csv_import", "/dev/stdin", "--db", db, input=content)
        self.assertTrue(text.startswith("10 rows inserted"), text)
        done = examples.run_any("csv_import", "/dev/stdin", "--db", db, input=content)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"/dev/stdin cannot be read twice", done.stderr)
        self.assertEqual(len(self.rows(db)), 10)

    def test_csv_import_compares_the_modes_in_one_table(self):
        text = examples.run("csv_import", self.people(1000), "--db", self.folder / "db", "--mode", "all", "--workers", "4")
        lines = text.splitlines()
        self.assertEqual(lines[0].split(), ["mode", "workers", "rows", "bad", "seconds", "speed-up", "of", "ideal"])
        self.assertEqual([line.split()[:4] for line in lines[1:]],
                         [["serial", "1", "999", "1"], ["fifo", "4", "999", "1"], ["scheduler", "4", "999", "1"]])

    def test_csv_import_says_what_it_cannot_do(self):
        path = self.people(10)
        for arguments, message in [
            ((self.folder / "none.csv", "--db", self.folder / "a"), b"cannot read "),
            ((path, "--db", "/nonexistent/a"), b"opening /nonexistent/a: unable to open database file"),
            ((path,), b"no database was named"),
        ]:
            done = examples.run_any("csv_import", *arguments)
            self.assertEqual(done.returncode, 1)
            self.assertIn(message, done.stderr)
        self.assertEqual(examples.run("csv_import", status=2), "")

    def import_amounts(self, *amounts):
        path, db = self.folder / "amounts.csv", self.folder / "amounts.sqlite"
        path.write_text("".join(f"{i},A,a@b.org,DE,{a},1980-01-01\n" for i, a in enumerate(amounts)))
        text = examples.run("csv_import", path, "--db", db)
        return [row[5] for row in self.rows(db)], text

    def test_csv_import_stores_exactly_the_cents_of_an_amount(self):
        amounts = {
            "0.00": 0, "-0.00": 0, "0.05": 5, "-0.05": -5, "-0.50": -50, "-5.50": -550, "5.50": 550, "007.25": 725,
            "92233720368547758.07": 2**63 - 1, "-92233720368547758.08": -2**63,
        }
        stored, text = self.import_amounts(*amounts)
        self.assertEqual(stored, list(amounts.values()), text)

    def test_csv_import_refuses_an_amount_that_it_cannot_store_exactly(self):
        no_numbers = ("1.-5", "1.+5", "+1.50", "1.5 ", "1 .50", "-.50", ".50", "--1.50", "1-.50", "0x1.50", "1.5.0", "1,5.00")
        for amount in no_numbers:
            self.assertEqual(self.import_amounts(amount)[0], [], amount)
        for amount in ("922337203685477580.00", "92233720368547758.08", "-92233720368547758.09", "9" * 100 + ".99"):
            stored, text = self.import_amounts(amount)
            self.assertEqual(stored, [])
            self.assertIn(f'line 1: amount "{amount}" is too large\n', text)
        self.assertIn('line 1: amount "1.-5" is no number with two decimals\n', self.import_amounts("1.-5")[1])

    def test_csv_import_loses_no_more_than_the_line_of_a_stray_quote(self):
        rest = ",a@b.org,DE,1.00,1980-01-01\n"
        strays = ('A "B', 'B"', '5" disk', '"A"B', '"A" "B', '""A', '""A"B', '"A""B"C"')
        path = self.folder / "strays.csv"
        path.write_text("".join(f'{i},{name}{rest}{i},Good{rest}' for i, name in enumerate(strays)))
        for mode in ("serial", "scheduler"):
            db = self.folder / f"strays-{mode}.sqlite"
            text = examples.run("csv_import", path, "--db", db, "--mode", mode)
            self.assertEqual([(row[0], row[1]) for row in self.rows(db)],
                             [(2 * i + 2, i) for i in range(len(strays))], text)
            self.assertEqual(re.findall(r"  line (\d+): no CSV", text), [str(2 * i + 1) for i in range(len(strays))])

    def test_csv_import_reads_quotes_that_belong_to_a_field(self):
        names = {'"A, B"': "A, B", ' "A" ': "A", '"A""B"': 'A"B', '"A\n""\n,B"': 'A\n"\n,B', '"""A"': '"A',
                 '"A\r\nB"': "A\r\nB"}
        path, db = self.folder / "quotes.csv", self.folder / "quotes.sqlite"
        path.write_bytes("".join(f"{i},{name},a@b.org,DE,1.00,1980-01-01\r\n" for i, name in enumerate(names)).encode())
        text = examples.run("csv_import", path, "--db", db)
        self.assertEqual([row[2] for row in self.rows(db)], list(names.values()), text)

    def test_csv_import_skips_the_mark_at_the_start_of_a_file(self):
        for first in ("1", '"1"'):
            path, db = self.folder / "marked.csv", self.folder / f"marked{len(first)}.sqlite"
            path.write_bytes(b"\xef\xbb\xbf" + f"{first},A,a@b.org,DE,1.00,1980-01-01\n".encode())
            text = examples.run("csv_import", path, "--db", db)
            self.assertEqual([row[1] for row in self.rows(db)], [1], text)

    def test_csv_import_refuses_what_is_no_country_and_what_is_no_date(self):
        for country in ("7!", "D", "DEU", "\u00e4", ""):
            self.assertIn(f'line 1: country "{country}" has not two letters\n', self.import_one(country=country))
        for born in ("abcd-ef-gh", "1980-13-01", "1980-00-01", "1981-02-29", "1980-01-32", "1980-1-001", "+980-01-01",
                     "1980-01-01 ", ""):
            self.assertIn(f'line 1: date "{born}" is no day as YYYY-MM-DD\n', self.import_one(born=born))
        for good in ({"country": "de"}, {"born": "1980-02-29"}, {"born": "0001-12-31"}):
            self.assertTrue(self.import_one(**good).startswith("1 rows inserted"), good)

    def test_csv_import_prints_nothing_that_a_terminal_obeys(self):
        self.assertIn('line 1: date "\\x1b[2J\\xff\\x0a" is no day', self.import_one(born=b"\x1b[2J\xff\n"))

    def import_one(self, country="DE", born="1980-01-01"):
        path, db = self.folder / "one.csv", self.folder / "one.sqlite"
        db.unlink(missing_ok=True)
        born = born if isinstance(born, bytes) else born.encode()
        path.write_bytes(f'1,A,a@b.org,"{country}",1.00,"'.encode() + born + b'"\n')
        return examples.run("csv_import", path, "--db", db)

    def test_csv_import_stops_in_each_mode_when_the_database_refuses_a_row(self):
        path = self.people(5000)
        for mode in ("serial", "fifo", "scheduler"):
            db = self.folder / f"refusing-{mode}.sqlite"
            examples.run("csv_import", path, "--db", db, "--mode", mode)
            with sqlite3.connect(db) as connection:
                connection.execute("DELETE FROM people")
                connection.execute("CREATE TRIGGER refuse BEFORE INSERT ON people WHEN NEW.id = 2999"
                                   " BEGIN SELECT RAISE(ABORT, 'not this one'); END")
            done = examples.run_any("csv_import", path, "--db", db, "--mode", mode)
            self.assertEqual(done.returncode, 1, mode)
            self.assertIn(f"filling {db}: not this one".encode(), done.stderr)

    def test_csv_import_stops_when_the_database_does(self):
        db = self.folder / "locked.sqlite"
        examples.run("csv_import", self.people(10), "--db", db)
        path = self.people(5000)
        with sqlite3.connect(db, isolation_level=None) as connection:
            connection.execute("BEGIN IMMEDIATE")
            done = examples.run_any("csv_import", path, "--db", db)
            connection.execute("ROLLBACK")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f" {db}: database is locked".encode(), done.stderr)

    def test_csv_import_waits_for_who_is_writing_its_database(self):
        path, db = self.people(10), self.folder / "people.sqlite"
        examples.run("csv_import", path, "--db", db)
        command = [str(examples.PROGRAMS / "csv_import"), str(path), "--db", str(db), "--mode", "serial"]
        with sqlite3.connect(db, isolation_level=None) as connection:
            connection.execute("DELETE FROM people")
            connection.execute("BEGIN IMMEDIATE")
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
                while child.poll() is None and not self.takes_a_nap(child.pid):
                    pass
                connection.execute("ROLLBACK")
                text, complaint = child.communicate()
        connection.close()
        self.assertEqual((child.returncode, complaint), (0, b""))
        self.assertTrue(text.startswith(b"10 rows inserted"), text)

    @staticmethod
    def takes_a_nap(pid):
        """Whether it waits for the clock, as SQLite does between two tries. A system may hide what it waits for."""
        folder = pathlib.Path(f"/proc/{pid}")
        asleep = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0] == "S"
        return asleep and ("nanosleep" in (reason := (folder / "wchan").read_text()) or reason == "0")

    def test_sleepy_tasks_shows_both_pools_and_the_wrong_one(self):
        text = examples.run("sleepy_tasks", "--unit", "1")
        text = re.sub(r"\d+ units?(?=\n)", "TIME", text)
        chain = re.search(r"this wait could never end: (.*); no worker is left", text)
        self.assertEqual(len(re.findall(r"worker \d runs task \d+ and waits for task \d+, which", chain[1])), 4, text)
        examples.compare(text.replace(chain[1], "CHAIN"), "sleepy_tasks")

    def test_sleepy_tasks_counts_its_workers(self):
        self.assertRegex(examples.run("sleepy_tasks", "--help"), r"--workers [^\n]*=4\n")
        for asked, said in (("0", r"[1-9]\d* workers?"), ("1", "1 worker"), ("2", "2 workers")):
            text = examples.run("sleepy_tasks", "--unit", "1", "--levels", "1", "--workers", asked)
            self.assertEqual(len(re.findall(rf"(?m)^[a-z ]* pool, {said}[,:]", text)), 4, text)

    def test_background_pool_runs_all_that_came(self):
        text = examples.run("background_pool", "--tasks", "60", "--nap", "1", "--workers", "3")
        lines = text.splitlines()
        self.assertEqual(lines[0], "60 tasks accepted, 58 done, 2 failed, 0 not done")
        self.assertRegex(lines[1], r"^stop: ran \d+, skipped 0, rejected 0$")

    def test_background_pool_goes_on_without_a_terminal_that_is_lost(self):
        status, text = examples.run_and_lose_terminal("background_pool", "--tasks", "20")
        self.assertEqual(status, 0)
        self.assertTrue(text.startswith("20 tasks accepted, 20 done, 0 failed, 0 not done\n"), text)

    def interrupted(self, times, nap):
        """Interrupted when some tasks wait; a second time when it says that it drains."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        command = [str(examples.PROGRAMS / "background_pool"), "--nap", nap, "--workers", "2"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as child:
            os.close(theirs)
            said = ""
            for awaited in (r"([5-9]|\d\d+) waiting", r"draining \d+ tasks; Ctrl-C to skip")[:times]:
                while not re.search(awaited, said):
                    said += os.read(ours, 4096).decode()
                child.send_signal(signal.SIGINT)
            text = child.stdout.read().decode()
            said += examples.read_terminal(ours).decode()
        self.assertRegex(said, r"draining \d+ tasks; Ctrl-C to skip")
        return child.returncode, text

    def test_background_pool_drains_at_the_first_interrupt(self):
        status, text = self.interrupted(1, "4")
        accepted, done, failed = map(int, re.match(r"(\d+) tasks accepted, (\d+) done, (\d+) failed, 0 not done\n", text).groups())
        self.assertEqual((status, accepted), (0, done + failed), text)

    def test_background_pool_cancels_at_the_second_and_says_what_was_not_done(self):
        status, text = self.interrupted(2, "200")
        counts = re.match(r"(\d+) tasks accepted, (\d+) done, (\d+) failed, (\d+) not done:((?: \d+)+)\nstop: ", text)
        self.assertTrue(counts, text)
        accepted, done, failed, skipped = map(int, counts.groups()[:4])
        self.assertEqual((status, accepted), (1, done + failed + skipped), text)
        missing = list(map(int, counts[5].split()))
        self.assertEqual(missing, list(range(accepted - skipped + 1, accepted + 1)), "the last ones, in order")

    def tree(self):
        top = self.folder / "tree"
        for name, contents in {"a/one": "same", "a/two": "same", "b/c/three": "same", "b/other": "other",
                               "b/big1": "x" * 100000, "b/big2": "x" * 100000, "empty1": "", "empty2": ""}.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(contents)
        (top / "link").symlink_to("b/other")
        return top

    def test_pipeline_finds_the_copies(self):
        top = self.tree()
        for workers in ("1", "2", "7"):
            text = examples.run("pipeline", top, "--workers", workers)
            examples.compare(text.replace(str(top), "TOP"), "pipeline")

    def test_pipeline_reports_what_cannot_be_read_with_its_stage(self):
        top = self.tree()
        (top / "a/one").chmod(0)
        program, options = examples.as_unprivileged_user(self, "pipeline", self.folder)
        text = examples.run(program, top, status=1, **options)
        examples.compare(text.replace(str(top), "TOP"), "pipeline_unreadable")

    def test_pipeline_goes_on_where_a_directory_cannot_be_read(self):
        program, options = examples.as_unprivileged_user(self, "pipeline", self.folder)
        top = self.tree()
        for name in ("closed/hidden", "b/c/closed\n/hidden", "listed/file", "z/copy"):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text("same")
        (top / "listed/sub").mkdir()
        examples.give_to(options, top)
        closed = {top / "closed": 0, top / "b/c/closed\n": 0, top / "listed": 0o444}
        for folder, mode in closed.items():
            folder.chmod(mode)
        self.addCleanup(lambda: [folder.chmod(0o755) for folder in closed])
        for workers in ("1", "3"):
            text = examples.run(program, top, "--workers", workers, status=1, **options)
            examples.compare(text.replace(str(top), "TOP"), "pipeline_closed")
        done = examples.run(program, top / "closed", status=1, **options)
        self.assertEqual(done, "0 files, 0 bytes; 0 of them are copies, 0 bytes\n"
                               f"  read: {top}/closed: Permission denied\n")

    def test_pipeline_goes_down_a_deep_tree_with_few_descriptors(self):
        bottom = self.folder.joinpath("top", *(["d"] * 200))
        bottom.mkdir(parents=True)
        (bottom / "file").write_text("x")
        few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        text = examples.run("pipeline", self.folder / "top", preexec_fn=few)
        self.assertTrue(text.startswith("1 files, 1 bytes"), text)

    def test_pipeline_names_a_file_that_opens_and_is_not_read(self):
        unreadable = []
        for folder, _, files in os.walk(f"/proc/{os.getpid()}/attr"):
            for file in files:
                path = pathlib.Path(folder) / file
                try:
                    with path.open("rb") as opened:
                        opened.read()
                except OSError as error:
                    unreadable.append(f"  read: {path}: {error.strerror}")
        if not unreadable:
            self.skipTest("this system reads every file")
        text = examples.run("pipeline", f"/proc/{os.getpid()}/attr", status=1)
        self.assertEqual(text.splitlines()[-len(unreadable):], sorted(unreadable))


if __name__ == "__main__":
    unittest.main()
