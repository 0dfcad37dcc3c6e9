"""What the tests of the examples share: running a program, comparing what it prints."""

import difflib
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import tempfile

PROGRAMS = pathlib.Path(os.environ["COPPICE_EXAMPLES"])
NOBODY = 65534
EXPECTED = pathlib.Path(__file__).resolve().parent / "expected"

# What differs from run to run, and what stands in its place. The order matters.
MASKS = [
    (r"\d+\.\d+ s, serial", "TIME"),
    (r"\d+\.\d+ s, \d+ workers?(, FIFO)?", "TIME"),
    (r"after \d[\d.e+]* (ns|us|ms|s)\b", "after TIME"),
    (r"quiet \d[\d.e+]* (ns|us|ms|s) later", "quiet TIME later"),
    (r"tour is \d+\.\d+", "tour is LENGTH"),
]


def run(program, *arguments, status=0, **options):
    """What the program prints. Fails if the exit status is another one; a signal is another one, too."""
    done = run_any(program, *arguments, **options)
    if done.returncode != status:
        raise AssertionError(
            f"{program} {arguments}: exit status {done.returncode}, not {status}\n"
            f"{printable(done.stdout)}\n{printable(done.stderr)}"
        )
    return done.stdout.decode()


def run_any(program, *arguments, **options):
    command = [str(PROGRAMS / program), *(os.fspath(a) if isinstance(a, os.PathLike) else a for a in arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **options)


def run_json(program, *arguments, status=0, **options):
    return json.loads(run(program, *arguments, "--json", status=status, **options))


def as_unprivileged_user(test, program, scratch):
    """How to run a program on what is in the scratch folder as somebody who is refused things, as root never is: its
    path, and options for subprocess."""
    if os.geteuid() != 0:
        return str(PROGRAMS / program), {}
    options = {"user": NOBODY, "group": NOBODY, "extra_groups": ()}
    scratch.chmod(0o755)
    # A copy: that user may not reach the build directory.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="coppice-program-"))
    test.addCleanup(shutil.rmtree, folder)
    folder.chmod(0o755)
    copy = shutil.copy(PROGRAMS / program, folder)
    try:
        able = subprocess.run([copy, "--help"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                              **options)
    except OSError as e:
        test.skipTest(f"an unprivileged user cannot run programs here: {e}")
    if able.returncode != 0:
        test.skipTest(f"an unprivileged user cannot run {program}, probably for want of its shared library")
    return copy, options


def give_to(options, top):
    """Everything below, to the user of these options."""
    if "user" not in options:
        return
    for path in (top, *top.rglob("*")):
        os.chown(path, options["user"], options["group"], follow_symlinks=False)


def run_and_lose_terminal(program, *arguments, before=lambda: None, **options):
    """The exit status and the output of a program whose stderr is a terminal, until it has written to it: then that is
    closed, and `before` called, and the program goes on."""
    ours, theirs = pty.openpty()
    command = [str(PROGRAMS / program), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, **options) as child:
        os.close(theirs)
        os.read(ours, 1)
        child.send_signal(signal.SIGSTOP)
        os.close(ours)
        before()
        child.send_signal(signal.SIGCONT)
        text = child.stdout.read().decode()
    return child.returncode, text


def read_terminal(ours):
    """What was written to a terminal whose other end is closed. One read may bring less than all."""
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # that was all
            return shown


def printable(output):
    return output.decode(errors="backslashreplace")


def masked(text):
    for pattern, name in MASKS:
        text = re.sub(pattern, name, text)
    return text


def compare(text, name):
    """Compares a program's output with expected/NAME.txt."""
    expected = (EXPECTED / f"{name}.txt").read_text()
    if masked(text) != expected:
        diff = difflib.unified_diff(
            expected.splitlines(True), masked(text).splitlines(True), f"expected/{name}.txt", "printed"
        )
        raise AssertionError("the output has changed:\n" + "".join(diff))
