"""A report of scripts/bench: reading it, and what is derived from it. Imported by the scripts beside it.

A report is JSON: {"context": {...}, "failed": {name: why}, "rows": [{"name": ..., "seconds": [...], "iterations": [...],
"counters": {...}, "samples": {...}}]}; a name is `workload/runtime[/parameter...][/workers:N]`. There is a time for each
repetition, the mean of so many iterations.
"""

import argparse
import json
import math
import re
import statistics
from pathlib import Path

NAME = "report.json"


# Words in the name of a runtime that say what its rows give, not how they are written.
THINGS = {"ordered": "keeps the order", "detach": "reports nothing", "inside": "has its caller work"}
# The same where the name does not say it: jobs that nobody asks for a report or an error, callers that are workers.
UNSAID = {
    ("many_jobs", "onetbb"): {"detach"},
    ("outside_job", "onetbb_execute"): {"inside"},
    ("outside_job", "openmp"): {"inside"},
    ("stream", "onetbb"): {"inside"},
    ("stream", "onetbb_ordered"): {"inside"},
}


class BadReport(Exception):
    """What is wrong with a report, for people."""


class Row:
    def __init__(self, name, seconds, counters=None, samples=None):
        self.name = name
        self.seconds = seconds
        self.counters = counters or {}
        self.samples = samples or {}
        self.workload, self.runtime, *rest = name.split("/")
        workers = [p for p in rest if p.startswith("workers:")]
        self.workers = int(workers[0].split(":")[1]) if workers else 0  # 0: serial
        self.parameters = "/".join(p for p in rest if p not in workers)

    @property
    def family(self):
        """coppice_join and coppice_group are two ways to write the same on coppice."""
        return self.runtime.split("_")[0]

    @property
    def gives(self):
        """What else than time rows of one input differ in, as words of THINGS: rows that give the same are compared."""
        said = THINGS.keys() & set(self.runtime.split("_")[1:])
        return frozenset(said | UNSAID.get((self.workload, self.runtime), set()))

    @property
    def has_cutoff(self):
        return self.runtime.endswith(("_cutoff", "_levels", "_chunks"))

    @property
    def input(self):
        return (self.workload, self.parameters)

    @property
    def title(self):
        return " ".join(self.input).strip()

    @property
    def median(self):
        return statistics.median(self.seconds)

    @property
    def spread(self):
        return max(self.seconds) / min(self.seconds)

    @property
    def is_timed(self):
        """An idle second lasts a second: its CPU time is what counts."""
        return self.workload != "idle"

    def counter(self, name):
        values = self.counters.get(name)
        return statistics.median(values) if values else None


def next_to(gives, others):
    """The same, if it is among the others."""
    return min(others, key=lambda o: (len(gives ^ o), sorted(o)))


class Report:
    def __init__(self, context, rows, failed):
        self.context = context
        self.rows = rows
        self.failed = failed

    def inputs(self):
        """Each workload with its parameters, in the order of the report."""
        return list(dict.fromkeys(r.input for r in self.rows))

    def of(self, an_input, family=None, workers=None, gives=None):
        return [
            r
            for r in self.rows
            if r.input == an_input
            and (family is None or r.family == family)
            and (workers is None or r.workers == workers)
            and (gives is None or r.gives == gives)
        ]

    def best(self, an_input, family, workers, gives=None):
        """The fastest way to write it on that runtime, none that was given a cutoff."""
        rows = [r for r in self.of(an_input, family, workers, gives) if not r.has_cutoff]
        return min(rows, key=lambda r: r.median, default=None)

    def kinds(self, an_input, family, workers):
        """All that the rows of that runtime give, each by its fastest row."""
        rows = [r for r in self.of(an_input, family, workers) if not r.has_cutoff and r.is_timed]
        return {r.gives: self.best(an_input, family, workers, r.gives) for r in rows}

    def pairs(self, an_input, family, workers):
        """(row of coppice, row of the peer): each thing that coppice gives beside what is next to it on the peer, and the
        other way round. So nothing is left out because only one of them has it."""
        ours = self.kinds(an_input, "coppice", workers)
        theirs = self.kinds(an_input, family, 0 if family == "serial" else workers)
        if not ours or not theirs:
            return []
        both = [(gives, next_to(gives, theirs)) for gives in ours] + [(next_to(gives, ours), gives) for gives in theirs]
        return [(ours[a], theirs[b]) for a, b in dict.fromkeys(both)]

    def serial(self, an_input):
        return self.best(an_input, "serial", 0)

    def tasks(self, an_input):
        serial = self.serial(an_input)
        return serial.counter("tasks") if serial else None

    def worker_counts(self, an_input=None):
        return sorted({r.workers for r in self.rows if r.workers and (an_input is None or r.input == an_input)})


def load(path):
    """Reads a report, given as its file or the folder that it lies in."""
    path = Path(path)
    if path.is_dir():
        path = path / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadReport(f"cannot read the report '{path}': {error.strerror}. scripts/bench writes one.") from error
    except ValueError as error:
        raise BadReport(f"'{path}' is no report of scripts/bench: {error}") from error
    try:
        rows = [Row(r["name"], r["seconds"], r.get("counters"), r.get("samples")) for r in content["rows"]]
        context, failed = content["context"], dict(content.get("failed", {}))
    except (KeyError, TypeError, ValueError) as error:
        raise BadReport(f"'{path}' is no report of scripts/bench: it lacks {error}") from error
    bad = [r.name for r in rows if not r.seconds or min(r.seconds) <= 0]
    if bad:
        raise BadReport(f"'{path}' has rows without times: {', '.join(bad)}. Run them again.")
    if not rows:
        raise BadReport(f"'{path}' has no rows. Was --only too narrow?")
    return Report(context, rows, failed)


def regex(text):
    """For an option of argparse, which makes a sentence of what is wrong with it."""
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"'{text}' is no regular expression: {error}") from error


def is_within_spread(a, b):
    """Whether two rows differ by no more than one of them does from itself."""
    spread = max(a.spread, b.spread)
    return a.median <= b.median * spread and b.median <= a.median * spread


def machine_name(processor, cores):
    """A short name for a folder: `xeon-gold-6248-40-cores`."""
    words = re.sub(r"\((r|tm)\)|@.*|\bcpu\b|\bprocessor\b|\bintel\b|\b\d+-core\b", " ", processor.lower())
    name = "-".join(re.findall(r"[a-z0-9]+", words)) or "unknown"
    return f"{name}-{cores}-core{'s' if cores != 1 else ''}"


def time_in_words(seconds):
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def number_in_words(value):
    return f"{value:.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(v) for v in values)) if values else None
