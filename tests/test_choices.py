"""Choices: what is refused before anything loads, is what would be refused afterwards."""

import subprocess
import sys

import pytest

from cospike import runs
from cospike._errors import InputError
from cospike.choices import DATASETS, check_data, check_runs
from cospike.data import load_dataset
from cospike.sources import PUBLISHED
from cospike.synthetic import SYNTHETIC

PROGRAM = """
import sys
from cospike.entry import main

for words in {commands}:
    try:
        main(words.split())
    except SystemExit as exit_:
        print(words, exit_.code, "torch" in sys.modules, "numpy" in sys.modules)
"""


def test_the_names_are_those_of_load_dataset():
    assert sorted(DATASETS) == sorted([*PUBLISHED, *SYNTHETIC, "digits"])


@pytest.mark.parametrize("given", ["minst", "nothing like it", "/nowhere"])
def test_an_unknown_name_is_refused_alike(given):
    with pytest.raises(InputError) as early:
        check_data("digits", given)
    with pytest.raises(InputError) as late:
        load_dataset(given)
    assert str(early.value) == str(late.value)


def test_a_folder_without_a_run_is_refused_alike(tmp_path):
    with pytest.raises(InputError) as early:
        check_runs([tmp_path])
    with pytest.raises(InputError) as late:
        runs.read_config(tmp_path)
    assert str(early.value) == str(late.value)


def test_what_is_there_passes(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    check_runs([tmp_path])
    check_data(*DATASETS, str(tmp_path))


def test_a_mistake_or_a_question_is_answered_before_anything_loads():
    commands = {
        "--help": 0,
        "train --help": 0,
        "--version": 0,
        "trian": 2,
        "train digits --out new --epoch 3": 2,
        "train digits --out new --objective vcs": 2,
        "train digist --out new": 2,
        "compare minst --out new": 2,
        "benchmark digist --out new": 2,
        "benchmark digits --models vcs --out new": 2,
        "report new": 2,
        "report tests --compare new": 2,
        "measure new": 2,
        "measure tests --seeds new --baseline new": 2,
    }
    shown = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(commands=[*commands])], capture_output=True, text=True, check=True
    )
    ended = [line for line in shown.stdout.splitlines() if line.endswith((" True", " False"))]
    refused = [f"{words} {code} False False" for words, code in commands.items() if code]
    assert ended == refused, shown.stderr
    assert len(shown.stderr.splitlines()) == len(refused)
