"""tree_walk against find, on trees that are large, deep, wide, closed to the user, oddly named, or changing."""

import collections
import json
import os
import pathlib
import pty
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import examples

MODES = [("--serial",), ("--fifo",), ("--workers", "1"), ("--workers", "2"), ("--workers", "8"), ("--blocking", "16")]
COUNTS = ("files", "directories", "symlinks", "other", "bytes")


class Test(unittest.TestCase):
    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="coppice-tree-walk-"))
        self.addCleanup(remove, self.scratch)

    def in_memory(self):
        """Another scratch directory, for trees that a disk takes minutes to make and remove."""
        if not os.access("/dev/shm", os.W_OK | os.X_OK):
            return self.scratch
        place = pathlib.Path(tempfile.mkdtemp(prefix="coppice-tree-walk-", dir="/dev/shm"))
        self.addCleanup(remove, place)
        return place

    def walk(self, top, mode=(), **options):
        """The JSON of a walk. Errors are counted, listed, and the exit status tells."""
        return self.printed(examples.run_any("tree_walk", top, *mode, "--json", **options), mode)

    def printed(self, done, mode):
        self.assertIn(done.returncode, (0, 1), examples.printable(done.stderr))
        self.assertEqual(done.stderr, b"")
        printed = json.loads(done.stdout.decode())
        self.assertEqual(
            list(printed), [*COUNTS, "errors", "seconds", "workers", "mode", "top", "error_list"]
        )
        self.assertEqual(done.returncode, 1 if printed["errors"] else 0)
        self.assertEqual(printed["errors"], len(printed["error_list"]))
        kind = {"--serial": "serial", "--fifo": "fifo"}.get(mode[0] if mode else "", "coppice")
        self.assertEqual(printed["mode"], kind)
        for error in printed["error_list"]:
            if kind == "coppice":
                self.assertRegex(error["tree_path"], r"^root(/\d+|/\(\+\d+\))*$")
            else:
                self.assertEqual(error["tree_path"], "")
        return printed

    def totals(self, top, mode=(), **options):
        printed = self.walk(top, mode, **options)
        self.assertEqual(printed["error_list"], [])
        return {key: printed[key] for key in COUNTS}

    def same_as_find(self, top):
        # Somebody may install a package meanwhile: only a tree that has not changed can be compared.
        before = find_totals(top)
        for _ in range(5):
            walks = [(mode, self.walk(top, mode)) for mode in MODES]
            after = find_totals(top)
            if before == after:
                break
            before = after
        else:
            self.skipTest(f"{top} is changing all the time")
        found, errors = before
        for mode, printed in walks:
            self.assertEqual({key: printed[key] for key in COUNTS}, found, mode)
            self.assertEqual(printed["errors"], errors, mode)
            if printed["top"]:
                self.assertEqual(printed["top"][0], {"bytes": found["bytes"], "path": top})

    def test_usr_include_is_what_find_sees(self):
        self.same_as_find("/usr/include")

    def test_usr_share_doc_is_what_find_sees(self):
        self.same_as_find("/usr/share/doc")

    def test_usr_is_what_find_sees(self):
        self.same_as_find("/usr")

    def test_each_kind_of_entry_is_counted_once(self):
        top = self.scratch / "top"
        for directory in ("a/b/c", "a/empty", ".hidden"):
            (top / directory).mkdir(parents=True)
        (top / "a/one").write_bytes(b"x" * 1000)
        (top / "a/b/two").write_bytes(b"x" * 20)
        (top / ".hidden/.three").write_bytes(b"")
        os.link(top / "a/one", top / "a/b/c/one again")
        with open(top / "sparse", "wb") as sparse:
            sparse.truncate(1 << 33)
        (top / "a/b/up").symlink_to("..")  # a loop, if it were followed
        (top / "a/dangling").symlink_to("nowhere")
        (top / "root").symlink_to("/")
        os.mkfifo(top / "pipe")
        with socket.socket(socket.AF_UNIX) as listener:
            # The name of a socket has to be short.
            here = os.getcwd()
            os.chdir(top)
            listener.bind("socket")
            os.chdir(here)
        expected = {"files": 5, "directories": 6, "symlinks": 3, "other": 2, "bytes": (1 << 33) + 2020}
        self.assertEqual(find_totals(os.fspath(top))[0], expected)
        for mode in MODES:
            printed = self.walk(top, mode)
            self.assertEqual({key: printed[key] for key in COUNTS}, expected)
            self.assertEqual(
                [(d["bytes"], d["path"][len(str(top)) :]) for d in printed["top"]],
                [((1 << 33) + 2020, ""), (2020, "/a"), (1020, "/a/b"), (1000, "/a/b/c"), (0, "/.hidden"), (0, "/a/empty")],
            )
            self.assertEqual(len(self.walk(top, (*mode, "--top", "2"))["top"]), 2)
            self.assertEqual(self.walk(top, (*mode, "--top", "0"))["top"], [])

    def test_the_top_may_be_a_link_or_end_in_a_slash_or_be_empty(self):
        (self.scratch / "real/sub").mkdir(parents=True)
        (self.scratch / "link").symlink_to("real")
        (self.scratch / "empty").mkdir()
        for mode in MODES:
            for name in ("real", "real/", "real//", "link", "link/", "real/sub/..", "real/."):
                printed = self.walk(f"{self.scratch}/{name}", mode)
                self.assertEqual(printed["directories"], 2)
                self.assertEqual(printed["top"][0]["path"], f"{self.scratch}/{name}")
                self.assertEqual(printed["top"][1]["path"], f"{self.scratch}/{name}".rstrip("/") + "/sub"
                                 if not name.endswith("/") else f"{self.scratch}/{name}sub")
            self.assertEqual(self.walk(".", mode, cwd=self.scratch / "real")["directories"], 2)
            self.assertEqual(self.walk(self.scratch / "empty", mode)["directories"], 1)

    def test_the_text_is_as_expected(self):
        top = self.scratch / "top"
        (top / "library/shelf").mkdir(parents=True)
        (top / "library/shelf/book").write_bytes(b"x" * 1234567)
        (top / "library/card").write_bytes(b"x" * 89)
        (top / "way").symlink_to("library")
        for mode in MODES:
            text = examples.run("tree_walk", "top", *mode, "--top", "2", cwd=self.scratch)
            examples.compare(text, "tree_walk")

    def test_odd_names_make_valid_json_and_one_line_each(self):
        top = os.fsencode(self.scratch / "top")
        names = [b"new\nline", b"\xff\xfe not UTF-8", "caf\u00e9".encode(), b'"quoted"', b"back\\slash", b"\x1b[31mred",
                 b" ", b"-rf", b"\xe2\x82", b"\xed\xa0\x80", b"\xc2\x85", b"x" * 255, b"..."]
        for name in names:
            os.makedirs(os.path.join(top, name, b"in"))
            with open(os.path.join(top, name, b"in", name[::-1] or b"f"), "wb") as file:
                file.write(b"12345")
        for mode in MODES:
            printed = self.walk(self.scratch / "top", (*mode, "--top", "100"))
            self.assertEqual(
                {key: printed[key] for key in COUNTS},
                {"files": len(names), "directories": 2 * len(names) + 1, "symlinks": 0, "other": 0,
                 "bytes": 5 * len(names)},
            )
            paths = {d["path"][len(str(self.scratch / "top")) + 1 :] for d in printed["top"]}
            for shown in ("new\nline", "\\xff\\xfe not UTF-8", "caf\u00e9", "\\xe2\\x82", "\\xed\\xa0\\x80", "\u0085"):
                self.assertIn(shown, paths)
            text = examples.run("tree_walk", self.scratch / "top", *mode, "--top", "100")
            self.assertEqual(text.count("\n"), 2 + 2 * len(names) + 1)
            self.assertIn("/new\\x0aline/in\n", text)
            self.assertIn("/\\x1b[31mred\n", text)
            self.assertIn("/\\xc2\\x85\n", text)

    def test_what_cannot_be_read_is_an_error_and_stops_nothing(self):
        program, options = examples.as_unprivileged_user(self, "tree_walk", self.scratch)
        top = self.scratch / "top"
        for i in range(20):
            (top / f"d{i}/sub").mkdir(parents=True)
            (top / f"d{i}/sub/file").write_bytes(b"x" * 10)
            (top / f"d{i}/closed\n/hidden").mkdir(parents=True)
        (top / "listed/sub").mkdir(parents=True)
        (top / "listed/file").write_bytes(b"x" * 100)
        examples.give_to(options, top)
        for i in range(20):
            (top / f"d{i}/closed\n").chmod(0)
        (top / "listed").chmod(0o444)  # the names, and nothing behind them
        self.addCleanup(lambda: [p.chmod(0o755) for p in (top / "listed", *top.glob("d*/closed\n"))])

        def count(*tests):
            done = subprocess.run(["find", top, *tests, "-print0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  check=False, **options)
            return done.stdout.count(b"\0")

        for mode in MODES:
            done = subprocess.run([program, top, *mode, "--json"], stdout=subprocess.PIPE, check=False, **options)
            self.assertEqual(done.returncode, 1)
            printed = json.loads(done.stdout)
            self.assertEqual(printed["directories"], 62)
            self.assertEqual((printed["files"], printed["bytes"]), (21, 200))
            self.assertEqual((count("-type", "d"), count("-type", "f")), (62, 21))
            # 20 closed directories; below `listed` a file without a size, and a directory that cannot be reached,
            # which is not counted.
            self.assertEqual(printed["errors"], 22)
            self.assertEqual({e["message"] for e in printed["error_list"]}, {"Permission denied"})
            self.assertEqual(
                sorted(e["disk_path"] for e in printed["error_list"]),
                sorted([f"{top}/d{i}/closed\n" for i in range(20)] + [f"{top}/listed/file", f"{top}/listed/sub"]),
            )
            if mode[0] == "--workers":
                # The place in the tree of tasks: which child of the root, which child of that one.
                by_path = {e["disk_path"]: e["tree_path"] for e in printed["error_list"]}
                self.assertEqual(len(set(by_path.values())), 21)  # `listed` has two
                for path, place in by_path.items():
                    self.assertEqual(place.count("/"), 1 if "/listed/" in path else 2)

    def test_a_closed_top_is_an_error(self):
        program, options = examples.as_unprivileged_user(self, "tree_walk", self.scratch)
        top = self.scratch / "top"
        top.mkdir()
        examples.give_to(options, top)
        top.chmod(0)
        self.addCleanup(top.chmod, 0o755)
        for mode in MODES:
            done = subprocess.run([program, top, *mode], stdout=subprocess.PIPE, check=False, **options)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"1 error:\n  {top}: Permission denied".encode(), done.stdout)

    def test_a_directory_with_100000_entries(self):
        crowd = self.in_memory() / "crowd"
        crowd.mkdir()
        directory = os.open(crowd, os.O_RDONLY)
        for i in range(100000):
            os.close(os.open(f"{i}", os.O_WRONLY | os.O_CREAT, dir_fd=directory))
        os.close(directory)
        (crowd / "7").write_bytes(b"seven")
        for mode in MODES:
            self.assertEqual(
                self.totals(crowd, mode),
                {"files": 100000, "directories": 1, "symlinks": 0, "other": 0, "bytes": 5},
            )

    def test_a_directory_with_10000_directories(self):
        # More than the queues of the pools hold.
        top = self.in_memory()
        for i in range(10000):
            os.mkdir(top / f"{i}")
        for mode in MODES:
            self.assertEqual(self.totals(top, mode)["directories"], 10001)

    def test_a_chain_of_1000_with_few_descriptors(self):
        # The path is 15 times as long as the system takes. At each level a file, and a directory beside the chain.
        name = "long" * 15
        top = self.in_memory()
        at = os.open(top, os.O_RDONLY)
        for _ in range(1000):
            os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=at))
            os.mkdir("beside", dir_fd=at)
            os.mkdir(name, dir_fd=at)
            below = os.open(name, os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=at))
        os.close(at)
        few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        for mode in MODES:
            self.assertEqual(
                self.totals(top, mode, preexec_fn=few),
                {"files": 1001, "directories": 2001, "symlinks": 0, "other": 0, "bytes": 0},
            )

    def test_an_error_deep_down_has_its_whole_path(self):
        program, options = examples.as_unprivileged_user(self, "tree_walk", self.scratch)
        names = ["deep" * 20] * 100
        at = os.open(self.scratch, os.O_RDONLY)
        for name in names:
            os.mkdir(name, dir_fd=at)
            below = os.open(name, os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
        os.chmod(at, 0)
        if options:
            os.chown(at, options["user"], options["group"])
        for mode in MODES:
            done = subprocess.run([program, self.scratch, *mode, "--json"], stdout=subprocess.PIPE, check=False, **options)
            [error] = json.loads(done.stdout)["error_list"]
            self.assertEqual(error["disk_path"], "/".join([str(self.scratch), *names]))
            if mode[0] == "--workers":
                self.assertRegex(error["tree_path"], r"^root(/0)+/\(\+36\)(/0)+$")
        os.chmod(at, 0o755)
        os.close(at)

    def test_a_tree_that_changes_is_walked(self):
        steady = self.scratch / "steady"
        for i in range(50):
            (steady / f"{i}").mkdir(parents=True)
            (steady / f"{i}/file").write_bytes(b"x")
        # Bounded in time and in size; a process, because python's threads do not run at the same time.
        with subprocess.Popen([sys.executable, "-c", CHURN, str(self.scratch), "90"]) as churn:
            self.addCleanup(churn.kill)
            for mode in MODES * 10:
                printed = self.walk(self.scratch, mode)
                self.assertGreaterEqual(printed["directories"], 52)
                self.assertGreaterEqual(printed["files"], 50)
                for error in printed["error_list"]:
                    self.assertNotIn("/steady", error["disk_path"])
                    self.assertIn(error["message"], ("No such file or directory", "Not a directory",
                                                     "Too many levels of symbolic links"))
            churn.kill()

    def test_what_vanishes_before_it_is_opened_is_an_error(self):
        for mode in MODES:
            give_up = time.monotonic() + 60
            while not (errors := self.errors_of_a_walk_of_what_vanishes(mode)):
                self.assertLess(time.monotonic(), give_up, f"no walk was ever met at work: {mode}")
            self.assertEqual({e["message"] for e in errors}, {"No such file or directory"})

    def errors_of_a_walk_of_what_vanishes(self, mode):
        """The walk is stopped within what it has listed, and goes on when all of it is gone."""
        top = self.in_memory() / "top"
        for i in range(2000):
            (top / f"{i}").mkdir(parents=True)
        command = [str(examples.PROGRAMS / "tree_walk"), str(top), *mode, "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as walk:
            while walk.poll() is None and not has_open_below(walk.pid, top):
                pass
            walk.send_signal(signal.SIGSTOP)
            remove(top)
            walk.send_signal(signal.SIGCONT)
            out, err = walk.communicate()
        return self.printed(subprocess.CompletedProcess(command, walk.returncode, out, err), mode)["error_list"]

    def test_many_workers_and_few_agree(self):
        once = self.totals("/usr/include", ("--workers", "1"))
        for workers in ("3", "64", "200"):
            self.assertEqual(self.totals("/usr/include", ("--workers", workers)), once)
            self.assertEqual(self.totals("/usr/include", ("--fifo", "--workers", workers)), once)

    def test_a_terminal_shows_progress_and_a_pipe_does_not(self):
        for mode in MODES:
            ours, theirs = pty.openpty()
            shown = []

            reader = threading.Thread(target=lambda: shown.append(examples.read_terminal(ours)))
            reader.start()
            done = subprocess.run([examples.PROGRAMS / "tree_walk", "/usr/include", *mode], stdout=subprocess.PIPE,
                                  stderr=theirs, check=False)
            os.close(theirs)
            reader.join()
            os.close(ours)
            self.assertEqual(done.returncode, 0)
            text = b"".join(shown)
            self.assertRegex(text, rb"^\r\x1b\[K\d+ files, \d+ directories, \d+\.\d MB")
            self.assertTrue(text.endswith(b"\r\x1b[K"), text)
            self.assertEqual(examples.run_any("tree_walk", "/usr/include", *mode).stderr, b"")

    def test_goes_on_without_a_terminal_that_is_lost(self):
        top = self.in_memory() / "top"
        for i in range(3000):
            (top / f"{i}").mkdir(parents=True)
        for mode in MODES:
            status, text = examples.run_and_lose_terminal("tree_walk", top, *mode)
            self.assertEqual(status, 0, mode)
            self.assertTrue(text.startswith("0 files, 3001 directories, "), text)

    def test_a_wrong_command_line_is_status_2(self):
        (self.scratch / "file").write_bytes(b"")
        for wrong in [(), ("/nonexistent",), (self.scratch / "file",), ("/usr", "--serial", "--fifo"),
                      ("/usr", "--top", "-1"), ("/usr", "--workers", "many"), ("/usr", "/etc")]:
            self.assertEqual(examples.run("tree_walk", *wrong, status=2), "")


# Makes and removes small trees, files and links under the same few names until its time is up.
CHURN = """
import os, random, shutil, sys, time
top, end = sys.argv[1], time.monotonic() + float(sys.argv[2])
random.seed(1)
while time.monotonic() < end:
    path = os.path.join(top, f"churn{random.randrange(8)}")
    try:
        if os.path.islink(path) or os.path.isfile(path):
            os.unlink(path)
        elif os.path.isdir(path):
            shutil.rmtree(path)
        elif random.random() < 0.1:
            os.symlink("/", path)
        elif random.random() < 0.1:
            open(path, "w").close()
        else:
            for i in range(40):
                os.makedirs(f"{path}/{i}/sub")
                open(f"{path}/{i}/file", "w").close()
    except OSError:
        pass
"""


def has_open_below(process, top):
    folder = f"/proc/{process}/fd"
    try:
        return any(os.readlink(f"{folder}/{fd}").startswith(f"{top}/") for fd in os.listdir(folder))
    except OSError:  # one is closed again, or the process has ended
        return False


def remove(path):
    # Not shutil.rmtree, which runs out of stack and of descriptors in a deep tree.
    subprocess.run(["rm", "-rf", "--", path], check=True)


def find_totals(top):
    done = subprocess.run(["find", top, "-printf", r"%y %s\0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    counted, size = collections.Counter(), 0
    for entry in done.stdout.decode().split("\0")[:-1]:
        kind, bytes_ = entry.split()
        counted[kind] += 1
        if kind == "f":
            size += int(bytes_)
    other = sum(counted.values()) - counted["f"] - counted["d"] - counted["l"]
    totals = {"files": counted["f"], "directories": counted["d"], "symlinks": counted["l"], "other": other, "bytes": size}
    return totals, done.stderr.count(b"\n")


if __name__ == "__main__":
    unittest.main()
