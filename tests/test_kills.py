"""A run that is killed in the midst of any write, or anywhere, and resumed, leaves what it would have left.

`torture/every_write.py` and `torture/kills.py` do the same at length.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cospike import runs
from cospike.folders import LOCK

TORTURE = Path(__file__).parent.parent / "torture"


def torture(script, *arguments):
    """What a script of `torture/` prints; it ends well if nothing differs."""
    done = subprocess.run([sys.executable, TORTURE / script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_run_killed_at_every_moment_of_its_writes_resumes_to_the_same_files():
    told = torture("every_write.py", "killed")
    n_kills, n_differences = map(int, re.search(r"killed at (\d+) moments; (\d+) differences", told).groups())
    assert n_kills >= 3 * len(runs.FILES)
    assert n_differences == 0
    report = {"report.html"}  # drawn in seconds: kills.py does
    assert set(re.findall(r"writing (\S+):", told)) >= set(runs.FILES) - report


@pytest.mark.slow
def test_a_run_killed_while_it_replaces_another_is_one_of_them():
    told = torture("every_write.py", "replaced")
    n_kills = int(re.search(r"replaced at (\d+) moments; 0 differences", told)[1])
    assert n_kills > 3 + len(runs.FILES) - 2  # the new config, and every file of the old run but its config and page


@pytest.mark.slow
def test_a_run_killed_at_any_time_resumes_to_the_same_files():
    told = torture("kills.py", "--runs", "1", "--kills", "2")
    assert "2 kills of 1 different runs" in told
    assert told.strip().endswith("never killed: 0")


def test_what_a_killed_process_left_of_its_first_write_is_no_run(tmp_path):
    (tmp_path / LOCK).write_text("")
    (tmp_path / ".config.json.abcd0123").write_text("")
    assert not runs.check_folder(tmp_path, resume=True)
