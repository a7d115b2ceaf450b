"""What is kept of a run comes back, and what is damaged says which file and what to do."""

import json
from dataclasses import replace

import pytest

from cospike._errors import InputError
from cospike.benchmark.files import Cell
from cospike.reproduction.record import Record, read_record, read_records, record_path, write_record

RECORD = Record(
    "digits", "vsc-no-warm-up", 2, "honest", "without", "0123", {"cospike": "1"},
    values={"neg_elbo": 1.23456789, "gap": float("nan")},
    findings={"one_pattern": {"n_patterns": 3, "ends": [0.5, float("inf"), None]}, "empty": {}},
    stderr={"neg_elbo": 0.1}, published={"neg_elbo": 129.9}, figures={"pattern": "digits-pattern.svg"},
)  # fmt: skip


def test_a_record_comes_back_with_six_digits_and_without_what_is_not_known(tmp_path):
    write_record(tmp_path, RECORD)
    found = read_records(tmp_path)
    assert list(found) == [Cell("digits", "vsc-no-warm-up", 2)]
    (record,) = found.values()
    assert record.values == {"neg_elbo": 1.23457}
    assert record.findings == {"one_pattern": {"n_patterns": 3, "ends": [0.5, None, None]}, "empty": {}}
    assert replace(record, values=RECORD.values, findings=RECORD.findings) == RECORD
    write_record(tmp_path, record)
    assert read_records(tmp_path) == found


def test_a_new_folder_has_none(tmp_path):
    assert read_records(tmp_path / "new") == {}


@pytest.mark.parametrize(
    "change",
    [
        {"part": "other"},
        {"values": {"neg_elbo": "low"}},
        {"values": []},
        {"fingerprint": 3},
        {"figures": {"pattern": "../elsewhere.svg"}},
        {"findings": None},
        {"unknown": 1},
        {"seed": 3},  # of another place than its file
    ],
)
def test_a_damaged_record_is_named(tmp_path, change, unchecked):
    write_record(tmp_path, RECORD)
    path = record_path(tmp_path, RECORD.place)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=r"vsc-no-warm-up-2\.json is damaged: .* Delete it, and its run is done again"):
        read_record(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_what_is_no_record_is_named(tmp_path, content):
    write_record(tmp_path, RECORD)
    record_path(tmp_path, RECORD.place).write_text(content)
    with pytest.raises(InputError, match="is damaged"):
        read_records(tmp_path)
