"""The public surface is what `__all__` says, and importing it is light."""

import subprocess
import sys
from inspect import getdoc, isclass, isfunction, ismodule
from pathlib import Path
from typing import get_args

import pytest

import cospike
from cospike import _HOME_OF
from cospike.objective import PRESETS
from cospike.options import ObjectiveName


def test_every_public_name_loads_and_is_described():
    assert sorted(cospike.__all__) == sorted(_HOME_OF)
    for name in cospike.__all__:
        value = getattr(cospike, name)
        assert isclass(value) or isfunction(value)
        assert len(getdoc(value)) > 40, name
    assert set(cospike.__all__) <= set(dir(cospike))


def test_no_module_bears_the_name_of_a_public_name():
    for path in Path(cospike.__file__).parent.glob("*.py"):
        assert path.stem not in cospike.__all__
    assert not any(ismodule(getattr(cospike, name)) for name in cospike.__all__)


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(cospike, "nothing")


def test_importing_is_light():
    program = (
        "import sys, cospike, cospike.cli; from cospike import Codes, measure; "
        "print([m for m in ('torch', 'sklearn', 'matplotlib', 'lightning_fabric') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.slow
def test_what_reads_a_run_loads_no_training():
    program = (
        "import sys, cospike.cli, cospike.html_report, cospike.inspection, cospike.tables; "
        "print([m for m in ('torch', 'lightning_fabric', 'cospike.trainer') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "['torch']"


def test_the_command_line_names_the_presets():
    assert list(get_args(ObjectiveName)) == list(PRESETS)
