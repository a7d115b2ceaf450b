"""Tables in files and frames: what is read, what is refused, and that it takes one line to say why."""

import builtins
import os
import re
import sys
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from cospike import _ceiling, table_files
from cospike._errors import InputError, TrainingWarning
from cospike.data import from_table, load_dataset
from cospike.entry import main
from cospike.frames import check_table, to_rows, to_table
from cospike.model import SparseVAE

N = 60


def a_frame(n=N):
    rng = np.random.default_rng(0)
    label = np.arange(n) % 3
    return pd.DataFrame(
        {
            "length": 5 + 2 * label + rng.normal(size=n),
            "width": np.where(rng.random(n) < 0.2, np.nan, 10 - label + rng.normal(size=n)),
            "colour": rng.choice(["red", "green", "blue"], n),
            "smooth": rng.random(n) < 0.5,
            "species": np.array(["ant", "bee", "cow"])[label],
        }
    )


def refused(path, label="species"):
    with pytest.raises(InputError) as caught:
        load_dataset(str(path), label=label)
    text = str(caught.value)
    assert "\n" not in text
    return text


WRITERS = {
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    ".parquet": lambda frame, path: frame.to_parquet(path),
    ".feather": lambda frame, path: frame.to_feather(path),
}


def test_every_format_and_every_frame_gives_the_same_rows(tmp_path):
    frame = a_frame()
    found = [
        from_table(frame, label="species", name="a"),
        from_table(pl.from_pandas(frame), label="species", name="a"),
        from_table({name: list(frame[name]) for name in frame}, label="species", name="a"),
        from_table(frame.astype({"colour": "category", "width": "Float32", "smooth": "boolean"}), label="species"),
    ]
    for suffix, write in WRITERS.items():
        path = tmp_path / f"a{suffix}"
        write(frame, path)
        found.append(load_dataset(path, label="species"))
    for data in found:
        assert data.shape == (1 + 2 + 3 + 1,)
        assert data.class_names == ("ant", "bee", "cow")
        assert [column.name for column in data.columns] == ["length", "width", "colour", "smooth"]
        for split in ("train", "validation", "test"):
            np.testing.assert_allclose(getattr(data, split).x, getattr(found[0], split).x, atol=1e-5)
            assert getattr(data, split).y.tolist() == getattr(found[0], split).y.tolist()
    assert len({data.fingerprint for data in found[5:]}) == 1


def test_rows_and_labels_stay_together():
    frame = a_frame()
    frame["row"] = np.arange(N) * 1.5  # no count of rows
    data = from_table(frame, label="species", seed=3)
    seen = []
    for split in (data.train, data.validation, data.test):
        back = to_table(split.x.numpy(), data.columns)
        rows = (back["row"] / 1.5).round().astype(int).to_numpy()
        assert [data.class_names[label] for label in split.y] == frame["species"].iloc[rows].tolist()
        seen += rows.tolist()
    assert sorted(seen) == list(range(N))
    assert [len(split) for split in (data.train, data.validation, data.test)] == [36, 12, 12]


def test_rows_go_into_a_model_and_its_means_come_back(tmp_path):
    frame = a_frame()
    data = from_table(frame, label="species")
    rows = to_rows(frame.drop(columns="species"), data.columns)
    back = to_table(rows, data.columns, drop_missing=True)
    pd.testing.assert_frame_equal(
        back[["length", "width"]], frame[["length", "width"]], check_dtype=False, rtol=1e-5, atol=1e-5
    )
    assert back["colour"].tolist() == frame["colour"].tolist()
    assert back["smooth"].tolist() == [str(value) for value in frame["smooth"]]
    assert to_table(rows, data.columns)["width"].notna().all(), "what stands in the place of a missing cell"
    model = SparseVAE(data.shape, 3, hidden=(4,), likelihood=data.likelihood)
    made = to_table(model.decode_mean(np.zeros((2, 3))), data.columns)
    assert made.shape == (2, 4)
    with pytest.raises(InputError, match=r"'rows' of to_table must have the 7 entries.*got shape \(2, 3\)"):
        to_table(np.zeros((2, 3)), data.columns)
    with pytest.raises(InputError, match="lacks the column 'colour'"):
        to_rows(frame.drop(columns="colour"), data.columns)


def test_a_row_without_a_class_is_unlabelled_and_classes_are_in_order():
    frame = a_frame()
    frame["species"] = np.where(np.arange(N) % 5 == 0, np.nan, np.arange(N) % 3 * 5.0)
    data = from_table(frame, label="species")
    assert data.class_names == ("0", "5", "10")
    labels = np.concatenate([split.y for split in (data.train, data.validation, data.test)])
    assert sorted(labels.tolist()) == sorted([-1] * 12 + [0] * 16 + [1] * 16 + [2] * 16)
    assert from_table(frame.drop(columns="species")).class_names == ()


def test_a_rare_class_is_in_every_split():
    frame = a_frame(200)
    frame["species"] = ["rare"] * 4 + ["common"] * 196
    data = from_table(frame, label="species", seed=5)
    assert [int((split.y == 1).sum()) for split in (data.test, data.validation, data.train)] == [1, 1, 2]


def test_what_is_left_out_is_said_in_one_line():
    frame = a_frame()
    frame["id"], frame["constant"], frame["nothing"] = range(N), 1, np.nan
    frame["name"] = [f"n{i}" for i in range(N)]
    frame["when"] = pd.Timestamp("2020-01-01")
    frame["list"] = [[1, 2]] * N
    with pytest.warns(TrainingWarning) as caught:
        data = from_table(frame, label="species", name="animals")
    (told,) = (str(one.message) for one in caught)
    assert told == (
        "Left out of animals: 'id' (the number of the row), 'constant' (the same in every row), 'nothing' (empty), "
        "'name' (a text of its own in nearly every row), 'when' (dates or times; turn them into numbers), "
        "'list' (neither numbers nor texts)."
    )
    assert len(data.columns) == 4
    frame = a_frame(300)
    frame["city"] = [f"c{i % 100}" for i in range(300)]
    with pytest.warns(TrainingWarning, match=r"More than 50 categories in 'city' of table: the rarest count as"):
        from_table(frame, label="species")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"a,b,species\n", "has names of columns, but no row"),
        (b"a,b,species\n1,2\n", "the 3 cells of its first line, got 2 in row 1"),
        (b"a,b,species\n1,2,x\n1,2,x,4\n", "the 3 cells of its first line, got 4 in row 2"),
        (b"a,b,species\n1,2,x\n1,", "the 3 cells of its first line, got 2 in row 2"),
        (b"5.1,3.5,species\n4,3,x\n", r"must hold the names of the columns, got 5.1, 3.5"),
        (b"a,a,species\n1,2,x\n", "must have different names, got 'a' twice"),
        (b"N" * 1001 + b",b,species\n1,2,x\n", "names of up to 1,000 characters, got 'N{20}' and 981 more"),
        (b"," * (2**17 + 1) + b"\n1\n", "must be a table as text, got: a row of over 131,072 cells"),
        (b"a,b\n" + b"1,2\n" * 9 + b"," * 2**17, "must be a table as text, got: a row of over 131,072 cells"),
        (b"a,b,species\n1," + b"2" * (2**17 + 1) + b",x\n", "must be a table as text, got: field larger than"),
        (b"a,species\n" + b"1,x\n2,x\n" * 9 + b"1," + b"y" * 1001, "got 'y{20}' and 981 more"),
        (b"a;b\nx,\xff\xfe;1\n", "must be text in UTF-8"),
        ("a,b,species\n1,2,x\n".encode("utf-16"), "must be text in UTF-8"),
        (b"a,b,species\n1,2,x\n3,4,y\n", "must have at least three rows"),
        (b"a,b,species\n\"1,2,x\n3,4,y\n", "the 3 cells of its first line, got 1 in row 1"),
        (b"a,b,species\n" + b"1,2,x\n3,4,y\n" * 9 + b"inf,4,y\n", "'a' must hold finite numbers.*got infinity"),
        (b"a,b,species\n" + b"1,2,\n" * 9, "'species' of data must name classes, got nothing"),
        (b"species\n" + b"x\ny\n" * 9, "data must have a column to learn from beside the classes"),
        (b"a,species\n" + b"".join(b"%d,%d.5\n" % (i % 7, i) for i in range(40)), "got 40 different ones in 40 rows"),
        (b"a,spices\n" + b"1,x\n2,y\n" * 9, "got 'species'. Did you mean 'spices'"),
        (b"a,b\n" + b"1,x\n2,y\n" * 9, "got 'species'. The columns: a, b."),
        (
            b"a,species\n" + b"".join(b"%d.5,%s\n" % (i, b"xy"[i % 2 : i % 2 + 1]) for i in range(90)) + b"ten,x\n",
            "'a' must hold numbers or choices, got 'ten' too",
        ),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "data.csv").write_bytes(content)
    text = refused(tmp_path / "data.csv")
    assert re.search(message, text), text


def test_a_line_of_a_hundred_thousand_characters_is_read_and_one_of_gigabytes_is_not(tmp_path):
    n = 20_000
    names = [f"gene {i}" for i in range(n)]
    rows = [",".join(names), ",".join(["1.5"] * n), ",".join(["2"] * n)]
    (tmp_path / "wide.csv").write_text("\n".join(rows), encoding="utf-8")
    assert table_files.column_names(tmp_path / "wide.csv") == (*names,)
    assert table_files.read_file(tmp_path / "wide.csv").shape == (2, n)
    with (tmp_path / "holes.csv").open("wb") as file:
        file.truncate(2**30)
    tracemalloc.start()
    text = refused(tmp_path / "holes.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "got: a line of over 16,777,216 characters" in text
    assert peak < 2**27


def test_semicolons_decimal_commas_and_a_byte_order_mark_are_read(tmp_path):
    frame = a_frame()
    plain = from_table(frame, label="species")
    path = tmp_path / "german.csv"
    path.write_bytes(b"\xef\xbb\xbf" + frame.to_csv(index=False, sep=";", decimal=",").encode())
    data = load_dataset(path, label="species")
    assert [column.name for column in data.columns] == ["length", "width", "colour", "smooth"]
    np.testing.assert_allclose(data.train.x, plain.train.x, atol=1e-5)
    path.write_text(frame.to_csv(index=False).replace(",", " , ").replace("\n", "\n\n"), encoding="utf-8")
    np.testing.assert_allclose(load_dataset(path, label="species").train.x, plain.train.x, atol=1e-5)


def test_a_question_mark_is_a_missing_cell(tmp_path):
    frame = a_frame()
    path = tmp_path / "a.csv"
    path.write_text(frame.to_csv(index=False, na_rep="?"), encoding="utf-8")
    np.testing.assert_allclose(
        load_dataset(path, label="species").train.x, from_table(frame, label="species").train.x, atol=1e-5
    )


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, suffix):
    """Cut off, flipped and foreign: never a traceback, never a crash."""
    path = tmp_path / f"a{suffix}"
    WRITERS[suffix](a_frame(), path)
    whole = path.read_bytes()
    for content in (b"", b"nothing of the kind", whole[: len(whole) // 2], whole[:-1], whole[4:]):
        path.write_bytes(content)
        assert "must be a whole table" in refused(path)
    rng = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), 3):
            content[place] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        try:
            load_dataset(path, label="species")
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017  # a flipped number is a number


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".csv", ".npz", ".npy"])
def test_a_pipe_is_not_waited_for_and_a_device_is_not_read(tmp_path, suffix):
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"zero{suffix}").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        assert refused(tmp_path / f"{name}{suffix}").endswith("must be a file, got no plain file.")
    assert refused("x" * 300 + suffix).endswith("must be a file, got nothing there.")


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".csv"])
def test_what_does_not_fit_in_memory_is_refused_before_it_is_read(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"a{suffix}"
    WRITERS[suffix](a_frame(), path)
    monkeypatch.setattr(table_files, "_MAX_CELLS", 100)
    assert "must fit in memory, got 300 cells" in refused(path)
    monkeypatch.setattr(table_files, "_MAX_BYTES", 100)
    assert "must fit in memory" in refused(path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the limit")
def test_kilobytes_that_decode_to_more_than_they_account_for_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_ceiling, "_ALWAYS", 2**28)
    n = 2000
    texts = pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), pa.array(["x" * 2**20]))  # one of a mebibyte, n times
    table = pa.table({"a": texts, "b": np.arange(n)})
    pyarrow.parquet.write_table(table, tmp_path / "shared.parquet", compression="zstd", store_schema=False)
    zeros = pa.array(np.zeros(2**20))
    table = pa.table({f"z{i}": zeros for i in range(200)})
    pyarrow.feather.write_feather(table, tmp_path / "zeros.feather", compression="zstd", chunksize=2**20)
    for name in ("shared.parquet", "zeros.feather"):
        assert (tmp_path / name).stat().st_size < 2**20
        assert "must fit in memory" in refused(tmp_path / name, label=None)


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_cells_that_take_no_room_are_limited_by_the_file(tmp_path, suffix):
    table = pa.table({"a": pa.nulls(2**25)})
    if suffix == ".parquet":
        pyarrow.parquet.write_table(table, tmp_path / f"a{suffix}")
    else:
        pyarrow.feather.write_feather(table, tmp_path / f"a{suffix}", chunksize=2**25)
    assert refused(tmp_path / f"a{suffix}", label=None).endswith("got 33,554,432 cells. Train on a sample of its rows.")


def test_two_columns_of_one_name_and_odd_ones_are_refused(tmp_path):
    table = pa.table([pa.array([1.0, 2.0] * 9), pa.array([1.0, 2.0] * 9)], names=["a", "a"])
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    pyarrow.feather.write_feather(table, tmp_path / "a.feather")
    for suffix in ("parquet", "feather"):
        assert "must have different names, got 'a' twice" in refused(tmp_path / f"a.{suffix}", label=None)
    levels = pd.DataFrame(np.zeros((9, 2)), columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")]))
    for table, message in (
        (levels, "one name each, got several levels"),
        (7, "must be a path, a data frame or a dictionary of columns, got int"),
        ({"a": [1, 2], "b": [1]}, "columns of one length"),
    ):
        with pytest.raises(InputError, match=message):
            from_table(table)


def test_decimals_and_texts_of_numbers():
    import decimal

    frame = a_frame()
    frame["price"] = [decimal.Decimal(i) / 3 for i in range(N)]
    assert {one.name: one.kind for one in from_table(frame, label="species").columns}["price"] == "gaussian"
    frame["price"] = [f"{i / 3}" for i in range(N)]
    with pytest.raises(InputError, match="'price' must hold numbers or choices, got numbers written as texts"):
        from_table(frame, label="species")


@pytest.mark.parametrize("missing", ["pandas", "pyarrow"])
def test_a_missing_extra_is_named(tmp_path, missing, monkeypatch):
    path = tmp_path / "a.parquet"
    WRITERS[".parquet"](a_frame(), path)
    actual = builtins.__import__

    def without(name, *arguments, **keywords):
        if name.partition(".")[0] == missing:
            raise ImportError(name)
        return actual(name, *arguments, **keywords)

    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(builtins, "__import__", without)
    assert f"Tables need {missing}: pip install 'cospike[tables]'." in refused(path)


def test_a_label_is_checked_from_the_names_alone(tmp_path):
    for suffix, write in WRITERS.items():
        path = tmp_path / f"a{suffix}"
        write(a_frame(), path)
        check_table(path, "species", needs_label=True)
        check_table(path, None, needs_label=False)
        with pytest.raises(
            InputError, match=r"must name the column of the classes in a\.\w+, got none. Is it 'species'"
        ):
            check_table(path, None, needs_label=True)
        with pytest.raises(InputError, match=r"got 'speices'. Did you mean 'species'"):
            check_table(path, "speices", needs_label=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train none.csv --label species --out run", "got 'none.csv'. Is the path right?"),
        ("train a.csv --out run", "got none. Is it 'species'? Without classes, train with the objective vsc."),
        ("train a.csv --label speices --out run", "Did you mean 'species'"),
        ("compare a.csv --out run", "got none. Is it 'species'?"),
        (
            "train digits --label species --out run",
            "'--label' is for tables and arrays, got 'species' for digits. Leave it out.",
        ),
        (
            "train a.csv --label species --image-size 28 --out run",
            "'image_size' of load_dataset is for folders of pictures, got 28 for a.csv. Leave it out.",
        ),
        (
            "train --image-size 28 --out run",
            "'--image-size' is for folders of pictures, got 28 for mnist. Leave it out.",
        ),
        ("train a.csv --image-size 28.5 --out run", "Invalid value for --image-size: '28.5' is no whole number."),
        ("train ~nobody/a.csv --label species --out run", "got '~nobody/a.csv'. Is the path right?"),
        ("benchmark a.csv --out run", "got 'a.csv'. `cospike train` takes tables."),
    ],
)
def test_the_command_line_refuses_in_one_line(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    WRITERS[".csv"](a_frame(), tmp_path / "a.csv")
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (tmp_path / "run").exists()
