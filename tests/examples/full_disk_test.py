"""A disk that is full under what the examples print: the exit status says so, and stderr why, if it can."""

import os
import subprocess
import unittest

import examples

# Each program with arguments that keep it short. tree_walk prints more than fits into a buffer.
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
    "tree_walk": ("/usr/include", "--top", "1000"),
}
WITH_JSON = ("fib", "nqueens", "quicksort", "stop_a_search", "tree_walk", "uts")


def status_of(program, *arguments, **streams):
    command = [str(examples.PROGRAMS / program), *arguments]
    return subprocess.run(command, check=False, **streams).returncode


class Test(unittest.TestCase):
    def test_json_that_cannot_be_written_is_status_1_and_a_message(self):
        for program in WITH_JSON:
            with open("/dev/full", "wb") as full:
                done = subprocess.run(
                    [str(examples.PROGRAMS / program), *SHORT[program], "--json"],
                    stdout=full,
                    stderr=subprocess.PIPE,
                    check=False,
                )
            self.assertEqual(done.returncode, 1, program)
            self.assertIn(program.encode() + b": ", done.stderr)
            self.assertIn(b"No space left on device", done.stderr)

    def test_a_message_that_cannot_be_written_either_leaves_status_1(self):
        for program, arguments in SHORT.items():
            with open("/dev/full", "wb") as full:
                self.assertEqual(status_of(program, *arguments, stdout=full, stderr=full), 1, program)

    def test_an_output_that_is_closed_is_status_1(self):
        for program, arguments in SHORT.items():
            status = status_of(program, *arguments, stderr=subprocess.DEVNULL, preexec_fn=lambda: os.close(1))
            self.assertEqual(status, 1, program)

    def test_a_reader_that_leaves_ends_the_program_without_a_hang(self):
        for program, arguments in SHORT.items():
            read_end, write_end = os.pipe()
            os.close(read_end)
            try:
                status = status_of(program, *arguments, stdout=write_end, stderr=subprocess.DEVNULL)
            finally:
                os.close(write_end)
            self.assertNotEqual(status, 0, program)


if __name__ == "__main__":
    unittest.main()
