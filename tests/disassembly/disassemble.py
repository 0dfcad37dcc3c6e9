#!/usr/bin/env python3
"""Compiles owner_path.cpp and fails if an owner's function holds a fence or a locked instruction.

usage: disassemble.py COMPILER INCLUDE_DIR SOURCE WORK_DIR

Both -O2 and -O3 are looked at. The checker is checked by a mutant that must be found.
"""
import re
import subprocess
import sys
from pathlib import Path

# x86-64: lock prefixes, fences, and exchanges with memory, which lock by themselves. AArch64: barriers, exclusive and
# atomic accesses.
FORBIDDEN = re.compile(
    r"\b(lock|[ml]fence|xchg\s+.*\[|cmpxchg\w*|dmb|ldaxr|stlxr|ldxr|stxr|cas[al]*|ldadd[al]*|swp[al]*)\b"
)
EXPECTED = {"owner_fib", "owner_join_by_reference", "owner_push", "owner_pop_if_private", "owner_pop"}


def functions(compiler, include, source, work, flags):
    obj = Path(work) / ("owner_path" + "".join(flags).replace("-", "_") + ".o")
    subprocess.run(
        [compiler, "-std=c++20", *flags, "-I", include, "-c", source, "-o", str(obj)], check=True
    )
    text = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", "-M", "intel" if "86" in machine() else "", str(obj)],
        check=True, capture_output=True, text=True,
    ).stdout
    found = {}
    name = None
    for line in text.splitlines():
        head = re.match(r"^[0-9a-f]+ <([^>]+)>:$", line)
        if head:
            # What the compiler moved out of a function's way (.cold) is not its fast path.
            name = head.group(1)
            found.setdefault(name, [])
        elif name and "\t" in line:
            found[name].append(line.split("\t", 1)[1].strip())
    return {n: code for n, code in found.items() if n in EXPECTED | {"owner_mutant"}}


def machine():
    import platform

    return platform.machine()


def main():
    compiler, include, source, work = sys.argv[1:5]
    failed = False
    for level in ("-O2", "-O3"):
        found = functions(compiler, include, source, work, [level])
        missing = EXPECTED - found.keys()
        if missing:
            print(f"{compiler} {level}: not found in the object file: {', '.join(sorted(missing))}")
            failed = True
        for name, code in sorted(found.items()):
            bad = [i for i in code if FORBIDDEN.search(i)]
            print(f"{compiler} {level}: {name}: {len(code)} instructions, {len(bad)} forbidden")
            for i in bad:
                print("    " + i)
            failed = failed or bool(bad) or not code
        mutant = functions(compiler, include, source, work, [level, "-DWITH_MUTANT"])["owner_mutant"]
        if not any(FORBIDDEN.search(i) for i in mutant):
            print(f"{compiler} {level}: the checker does not see the locked instruction of its own mutant")
            failed = True
    return 1 if failed else 0


sys.exit(main())
