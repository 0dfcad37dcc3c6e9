"""The scripts of bash in a copy of their folder, with stubs in place of what they build, install and run."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASH = "#!/usr/bin/env bash\n"
SOURCED = """set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/lib/common.sh"
"""
# Says where it was called.
CMAKE = BASH + 'echo "cmake in $PWD" >>"$SAID"\n'
WALKER = BASH + """echo "tree_walk with workers=${COPPICE_WORKERS:-}" >>"$SAID"
echo '"mode": "coppice", "workers": 2, "seconds": 0.412, "files": 3, "directories": 1, "symlinks": 0,' | tr , '\\n'
echo '"other": 0, "bytes": 77, "errors": 0' | tr , '\\n'
"""
# Serves until it is killed. Nobody asks it: so does the crawler.
NGINX = BASH + 'echo $$ >"$2/nginx.pid"\nexec sleep 60\n'
# --out: a page, with the status that the test gives.
CRAWL = """#!/usr/bin/env python3
import os, sqlite3, sys
print("crawled")
if "--out" in sys.argv:
    made = sqlite3.connect(sys.argv[sys.argv.index("--out") + 1])
    made.execute("CREATE TABLE pages (id INTEGER, url TEXT, status INTEGER, depth INTEGER, title TEXT)")
    made.execute("CREATE TABLE links (target TEXT, kind TEXT)")
    made.execute("INSERT INTO pages VALUES (1, ?, ?, 0, 'Start')", (sys.argv[1], os.environ["STATUS"] or None))
    made.commit()
sys.exit(os.environ["STATUS"] != "200")
"""


class Test(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.root = self.folder / "src"
        self.said = self.folder / "said"
        shutil.copytree(ROOT / "scripts", self.root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        self.stub(self.folder / "bin/dpkg-query", BASH + "echo installed\n")
        self.stub(self.folder / "bin/apt-get", BASH + "exit 1\n")
        self.stub(self.folder / "bin/cmake", CMAKE)

    def stub(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def run_script(self, script, *arguments, **environment):
        """`script` as a user types it in the folder above the project's."""
        there = {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "SAID": str(self.said)}
        done = subprocess.run([script, *arguments], cwd=self.folder, env={**os.environ, **there, **environment},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=50)
        self.what_is_said = self.said.read_text(encoding="utf-8") if self.said.exists() else ""
        return done

    def demo(self, script="src/scripts/demo", **environment):
        self.stub(self.root / "build/release/examples/tree_walk", WALKER)
        done = self.run_script(script, "--runs", "1", "bin", **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_each_begins_alike(self):
        scripts = [file for file in (ROOT / "scripts").iterdir() if file.is_file()]
        of_bash = [file for file in scripts if file.read_text(encoding="utf-8").startswith(BASH)]
        self.assertGreater(len(of_bash), 5)
        for file in of_bash:
            text = file.read_text(encoding="utf-8")
            self.assertTrue(SOURCED in text, f"{file.name} does not source scripts/lib/common.sh")
            self.assertFalse("cd -" in text or 'cd "$(dirname' in text, f"{file.name} finds its folder by itself")

    def test_a_decimal_comma_of_the_callers_locale_makes_no_times_of_zero(self):
        made = [shutil.which("localedef") or "false", "-i", "de_DE", "-f", "UTF-8", self.folder / "de_DE.UTF-8"]
        if subprocess.run(made, capture_output=True, check=False).returncode != 0:
            self.skipTest("there is no such locale, and none can be made")
        table = self.demo(LC_ALL="de_DE.UTF-8", LOCPATH=str(self.folder))
        self.assertEqual(table.count(" 0.412 "), 1, table)

    def test_a_link_to_the_project_leads_to_its_real_folder(self):
        (self.folder / "link").symlink_to(self.root)
        (self.folder / "link_of_scripts").symlink_to(self.root / "scripts")
        for script in ("link/scripts/demo", "link_of_scripts/demo"):
            self.said.write_text("")
            self.demo(script)
            self.assertEqual(self.what_is_said.count("cmake in"), 2)
            self.assertEqual(self.what_is_said.count(f"cmake in {self.root}\n"), 2, self.what_is_said)

    def test_the_callers_cdpath_leads_nowhere_else(self):
        shutil.copytree(self.root, self.folder / "other/src")
        self.demo(CDPATH=str(self.folder / "other"))
        self.assertEqual(self.what_is_said.count(f"cmake in {self.root}\n"), 2, self.what_is_said)

    def test_the_demo_has_as_many_workers_as_its_caller_says(self):
        self.demo(COPPICE_WORKERS="3")
        self.assertIn("tree_walk with workers=3\n", self.what_is_said)

    def test_a_comparison_with_others_is_of_the_defaults(self):
        self.stub(self.root / "build/release/bench/behaviour/compare_behaviour",
                  BASH + 'echo "${COPPICE_WORKERS:-none} ${COPPICE_PIN:-none}"\n')
        done = self.run_script("src/scripts/compare_behaviour", COPPICE_WORKERS="3", COPPICE_PIN="none")
        self.assertEqual((done.returncode, done.stdout), (0, "none none\n"), done.stderr)

    def test_a_build_that_fails_is_shown_and_fails(self):
        self.stub(self.folder / "bin/cmake", BASH + "echo no such compiler >&2\nexit 1\n")
        for script in ("demo", "compare_behaviour"):
            done = self.run_script(f"src/scripts/{script}", *(["bin"] if script == "demo" else []))
            self.assertEqual(done.returncode, 1)
            self.assertTrue(done.stderr.endswith(
                f"no such compiler\nscripts/{script}: the build failed (see above).\n"), done.stderr)

    def crawl(self, nginx, status):
        if not os.path.exists("/usr/lib/nginx/modules/ngx_http_echo_module.so"):
            self.skipTest("nginx-light is not installed")
        self.stub(self.folder / "bin/nginx", nginx)
        self.stub(self.root / "build/release/examples/crawl", CRAWL)
        (self.folder / "tree").mkdir()
        (self.folder / "tree/index.html").touch()
        return self.run_script("src/scripts/demo_crawl", "tree", STATUS=status)

    def test_a_crawl_of_a_server_that_does_not_start_fails(self):
        done = self.crawl(BASH + "echo no such module >&2\nexit 1\n", "")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertTrue(done.stderr.endswith("no such module\nscripts/demo_crawl: nginx does not start (see above).\n"),
                        done.stderr)

    def test_a_crawl_whose_start_cannot_be_had_fails(self):
        for status in ("", "404"):
            done = self.crawl(NGINX, status)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("scripts/demo_crawl: the start page could not be had.", done.stderr)
            shutil.rmtree(self.folder / "tree")

    def test_a_crawl_shows_what_links_lead_to(self):
        done = self.crawl(NGINX, "200")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("crawled"), 3)
        self.assertIn("links depth  page", done.stdout)

    def soak(self, *parts, mutants=3):
        """How often spin was run, and how the soak ended."""
        self.stub(self.root / "scripts/spin_models",
                  BASH + f'echo spin >>"$SAID"\necho "spin_models: 5 states explored, {mutants} mutants found"\n')
        for folder in ("examples", "include", "scheduler", "tests"):
            (self.root / folder).mkdir(exist_ok=True)
        for file in ("CMakeLists.txt", "CMakePresets.json"):
            (self.root / file).touch()
        done = self.run_script("src/scripts/soak", *(word for part in parts for word in ("--only", part)), "1")
        return self.what_is_said.count("spin\n"), done

    def test_a_part_of_the_soak_that_is_done_runs_when_it_is_asked_for_again(self):
        for times in (1, 2):
            ran, done = self.soak("spin")
            self.assertEqual((ran, done.returncode), (times, 0), done.stdout + done.stderr)
            self.assertRegex(done.stdout, "spin: mutants found +3\n")

    def test_a_soak_that_was_interrupted_goes_on_where_it_was_unless_the_code_is_another(self):
        self.stub(self.folder / "bin/ctest", BASH + "exit 1\n")
        for times in (1, 1):
            ran, done = self.soak("spin", "examples")
            self.assertEqual((ran, done.returncode), (times, 1), done.stdout + done.stderr)
        (self.root / "scheduler/new.cpp").write_text("int changed;")
        self.assertEqual(self.soak("spin", "examples")[0], 2)
        self.stub(self.folder / "bin/ctest", BASH + "echo 100% tests passed, 0 tests failed out of 7\n")
        ran, done = self.soak("spin", "examples")
        self.assertEqual((ran, done.returncode), (2, 0), done.stdout + done.stderr)
        self.assertRegex(done.stdout, "spin: mutants found +3\n")
        self.assertRegex(done.stdout, "tests of examples, ASan.UBSan +7\n")
        self.assertEqual(self.soak("spin")[0], 3)

    def test_a_soak_in_which_nothing_was_counted_fails(self):
        _, done = self.soak("spin", mutants=0)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("scripts/soak: spin: mutants found: '0' is no number of them", done.stderr)

    def test_a_soak_without_its_programs_fails(self):
        for part, program in (("storms", "storms"), ("fuzz", "fuzz_trees"), ("faults", "tests/stress/faults"),
                              ("interleavings", "tests/model")):
            _, done = self.soak(part)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertRegex(done.stderr, f"there (is|are) no programs? .*{program}")

    def test_a_system_without_the_tools_of_debian_may_have_all_that_is_needed(self):
        tools = self.folder / "tools"
        tools.mkdir()
        for tool in ("bash", "dirname", "realpath"):
            (tools / tool).symlink_to(shutil.which(tool))
        done = self.run_script("src/scripts/setup", "build", PATH=str(tools))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("scripts/setup: this is not a Debian system", done.stderr)
        self.assertIn(" libhwloc-dev ", done.stderr)

    def ctest(self, says):
        self.stub(self.folder / "bin/ctest", BASH + says)
        (self.root / "build/dev").mkdir(parents=True)
        return self.run_script("src/scripts/test", "--quick", CLICOLOR_FORCE="1")

    def test_colours_that_the_caller_wants_do_not_end_the_tests(self):
        line = "100% tests passed, 0 tests failed out of 7"
        done = self.ctest(f'echo "${{CLICOLOR_FORCE:+<green>}}{line}"\n')
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"dev: {line} (", done.stdout.splitlines()[-1])

    def test_a_run_of_which_nothing_is_known_is_said_to_have_failed(self):
        done = self.ctest("echo\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("ctest.log does not say how many tests passed", done.stderr)

    def test_ctest_by_itself_sees_none_of_the_callers_settings(self):
        (self.folder / "CTestTestfile.cmake").write_text(
            f'include("{ROOT}/tests/environment.cmake")\n'
            'add_test(one sh -c [=[test -z "$COPPICE_WORKERS$COPPICE_PIN$COPPICE_STALL_MS"]=])\n', encoding="utf-8")
        settings = {"COPPICE_WORKERS": "3", "COPPICE_PIN": "none", "COPPICE_STALL_MS": "5"}
        done = subprocess.run(["ctest"], cwd=self.folder, env={**os.environ, **settings}, capture_output=True, text=True,
                              check=False, timeout=50)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
