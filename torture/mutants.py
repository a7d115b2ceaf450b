"""Breaks every guard once on purpose, and sees whether a test fails.

    python torture/mutants.py [WORD …]

`torture/guards/*.toml` lists the guards: a line of the source, what it becomes, and the tests that must then fail. Each
runs on a copy of the source, as they are and broken. With words, only guards whose name has one of them. Ends in exit
code 1 if a broken guard is not missed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent


class Guard(NamedTuple):
    """A line that keeps something out or safe, how to break it, and the tests that must notice."""

    name: str
    file: str  # below src/cospike
    old: str  # stands there once
    new: str
    tests: list[str]  # as pytest takes them


def read_guards(words: Sequence[str] = ()) -> list[Guard]:
    """Those of all files, or whose name has one of ``words``."""
    files = sorted((ROOT / "torture" / "guards").glob("*.toml"))
    guards = [Guard(**entry) for file in files for entry in tomllib.loads(file.read_text())["guard"]]
    return [guard for guard in guards if not words or any(word in guard.name for word in words)]


def passes(source: Path, tests: Sequence[str]) -> bool:
    """Whether ``tests`` pass with the package in ``source``."""
    command = (sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests)
    environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode > 1:  # no such test, or the source does not even load; below 0, what was let in crashed Python
        raise SystemExit(f"{' '.join(tests)} did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def is_missed(guard: Guard, source: Path) -> bool:
    """Whether a test fails once the guard is broken; the source is whole again afterwards."""
    path = source / "cospike" / guard.file
    whole = path.read_text()
    if whole.count(guard.old) != 1:
        raise SystemExit(
            f"{guard.file} must have {guard.old!r} once, for {guard.name!r}; it has it {whole.count(guard.old)} times."
        )
    path.write_text(whole.replace(guard.old, guard.new))
    try:
        return not passes(source, guard.tests)
    finally:
        path.write_text(whole)


def main(words: Sequence[str]) -> None:
    """Break and print, guard by guard."""
    guards = read_guards(words)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        if not passes(source, sorted({test for guard in guards for test in guard.tests})):
            raise SystemExit("The tests fail before anything is broken.")
        survivors = []
        for guard in guards:
            missed = is_missed(guard, source)
            print(f"{'missed' if missed else 'NOT MISSED'}: {guard.name}", flush=True)
            survivors += [] if missed else [guard.name]
    print(f"{len(guards) - len(survivors)} of {len(guards)} guards are missed when they are broken.")
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
