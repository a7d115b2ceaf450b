"""Codes in files: what stands there is what `encode_dataset` gives, whatever the parts it was made in."""

import csv
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import cospike as cs
from cospike import code_files, code_sources
from cospike._errors import InputError
from cospike.code_files import write_codes
from cospike.data import Split
from cospike.sample_files import write_samples


@pytest.fixture(scope="module")
def expected(trained):
    """The codes of each split, in one pass."""
    return {
        name: cs.encode_dataset(trained.model, getattr(trained.data, name)) for name in ("train", "validation", "test")
    }


@pytest.fixture
def in_parts(monkeypatch):
    monkeypatch.setattr(code_files, "_ROWS_PER_PART", 100)


def read_csv(path):
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


def test_a_csv_file_has_every_row_of_every_split_to_the_last_bit(trained, expected, in_parts, tmp_path):
    assert write_codes(trained.run, "digits", tmp_path / "codes.csv") is None
    header, rows = read_csv(tmp_path / "codes.csv")
    assert header == ["id", "split", "label", *(f"latent_{i}" for i in range(16))]
    place = 0
    for name, codes in expected.items():
        part = rows[place : place + len(codes)]
        assert [row[:2] for row in part] == [[str(i), name] for i in range(len(codes))]
        assert [row[2] for row in part] == [str(label) for label in codes.labels]
        values = np.array([row[3:] for row in part], dtype=np.float32)
        np.testing.assert_allclose(values, codes.values(), rtol=1e-5, atol=1e-6)  # sums of other batch sizes
        assert_array_equal(values == 0, codes.values() == 0)
        place += len(codes)
    assert place == len(rows) == 1797


def test_a_parquet_file_is_the_same_table(trained, in_parts, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    for name in ("codes.csv", "codes.parquet"):
        write_codes(trained.run, "digits", tmp_path / name, split="test")
    table = parquet.read_table(tmp_path / "codes.parquet")
    header, rows = read_csv(tmp_path / "codes.csv")
    assert table.column_names == header
    assert len(rows) == table.num_rows == len(trained.data.test)
    assert table["label"].to_pylist() == [row[2] for row in rows]
    values = np.array([row[3:] for row in rows], dtype=np.float32)
    assert_array_equal(np.stack([table[name].to_numpy() for name in header[3:]], axis=1), values)


def test_an_npz_file_holds_codes(trained, expected, tmp_path):
    write_codes(trained.run, "digits", tmp_path / "all.npz")
    codes = cs.Codes.from_arrays(dict(np.load(tmp_path / "all.npz")))
    for name in ("active_probs", "slab_loc", "slab_scale", "labels"):
        assert_array_equal(getattr(codes, name), np.concatenate([getattr(part, name) for part in expected.values()]))
    assert codes.class_names == trained.data.class_names


@pytest.mark.parametrize("grey", [False, True])
def test_an_array_on_disk_is_encoded_row_by_row_without_labels(trained, expected, in_parts, tmp_path, grey):
    x = trained.data.test.x.numpy()
    np.save(tmp_path / "x.npy", np.round(255 * x[:, 0]).astype(np.uint8) if grey else x)
    write_codes(trained.run, str(tmp_path / "x.npy"), tmp_path / "codes.csv")
    header, rows = read_csv(tmp_path / "codes.csv")
    assert header[:3] == ["id", "label", "latent_0"]
    assert [row[:2] for row in rows] == [[str(i), ""] for i in range(len(x))]
    if grey:
        x = np.round(255 * x[:, 0]).astype(np.uint8)
        expected = {"test": cs.encode_dataset(trained.model, x)}
    values = np.array([row[2:] for row in rows], dtype=np.float32)
    np.testing.assert_allclose(values, expected["test"].values(), rtol=1e-5, atol=1e-6)


def test_labels_have_the_names_of_the_data_and_none_where_they_are_unknown(trained, monkeypatch, tmp_path):
    y = trained.data.test.y.clone()
    y[0] = -1
    split = Split(trained.data.test.x, y)
    names = tuple("abcdefghij")
    data = cs.Dataset("letters", split, split, split, names)
    monkeypatch.setattr(code_sources, "load_dataset", lambda name, seed: data)
    write_codes(trained.run, "digits", tmp_path / "codes.csv", split="train")
    _, rows = read_csv(tmp_path / "codes.csv")
    assert [row[2] for row in rows] == ["", *(names[label] for label in y[1:])]


def test_a_class_is_no_formula_in_a_spreadsheet(trained, monkeypatch, tmp_path):
    split = Split(trained.data.test.x[:3], trained.data.test.y[:3] * 0)
    data = cs.Dataset("letters", split, split, split, ("=HYPERLINK(0)",))
    monkeypatch.setattr(code_sources, "load_dataset", lambda name, seed: data)
    write_codes(trained.run, "digits", tmp_path / "codes.csv", split="train")
    _, rows = read_csv(tmp_path / "codes.csv")
    assert [row[2] for row in rows] == ["'=HYPERLINK(0)"] * 3


def test_another_split_of_the_same_data_is_remarked_on(trained, tmp_path):
    remark = write_codes(trained.run, "digits", tmp_path / "codes.csv", split="test", split_seed=3)
    assert "its test rows may have been trained on" in remark


@pytest.mark.parametrize(
    ("data", "out", "more", "message"),
    [
        ("digits", "codes.txt", {}, r"must end in \.parquet, \.csv or \.npz, got .*codes\.txt"),
        ("digits", "none/codes.csv", {}, r"Make .*none first"),
        ("digist", "codes.csv", {}, "Did you mean 'digits'"),
        ("digits", "codes.csv", {"split": "tset"}, "Did you mean 'test'"),
        ("mnist", "codes.csv", {}, r"shape|MNIST|mnist"),
        ("{tmp}/none.npy", "codes.csv", {}, r"can be read, got .*none\.npy: No such file"),
        ("{tmp}/text.npy", "codes.csv", {}, r"an \.npy file of numbers, got .*text\.npy"),
        ("{tmp}/empty.npy", "codes.csv", {}, r"an \.npy file of numbers, got .*empty\.npy"),
        ("{tmp}/wide.npy", "codes.csv", {}, r"that of the data, \(9,\), got \(1, 8, 8\)"),
        ("{tmp}/wide.npy", "codes.csv", {"split": "test"}, "which wide.npy has not"),
        ("{tmp}/rows.csv", "codes.csv", {}, "was no table"),
        ("digits", "codes.csv", {"label": "kind"}, "are for tables"),
        ("{tmp}/rows.csv", "codes.csv", {"layer": "counts"}, "is for cells"),
        ("{tmp}/wide.npy", "codes.csv", {"label": "{tmp}/none.npy"}, "^.label. of encode .* No such file"),
    ],
)
def test_what_cannot_be_encoded_is_refused_and_nothing_is_written(
    trained, tmp_path, unchecked, data, out, more, message
):
    pytest.importorskip("pandas")
    (tmp_path / "text.npy").write_text("hello")
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.npy").touch()
    np.save(tmp_path / "wide.npy", np.zeros((3, 9)))
    before = sorted(tmp_path.rglob("*"))
    more = {name: value.format(tmp=tmp_path) if name == "label" else value for name, value in more.items()}
    with pytest.raises(InputError, match=message):
        write_codes(trained.run, data.format(tmp=tmp_path), tmp_path / out, **more)
    assert sorted(tmp_path.rglob("*")) == before


def test_bad_rows_in_the_middle_leave_the_old_file_and_no_other(trained, in_parts, tmp_path):
    x = np.zeros((250, 1, 8, 8), dtype=np.float32)
    x[220] = np.nan
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "codes.csv").write_text("older")
    with pytest.raises(InputError, match="finite"):
        write_codes(trained.run, str(tmp_path / "x.npy"), tmp_path / "codes.csv")
    assert (tmp_path / "codes.csv").read_text() == "older"
    assert {path.name for path in tmp_path.iterdir()} == {"x.npy", "codes.csv"}


def test_a_missing_extra_is_named_in_one_line(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"^A \.parquet file needs pyarrow, .* pip install 'cospike\[tables\]'\.$"):
        write_codes(trained.run, "digits", tmp_path / "codes.parquet")


@pytest.fixture(scope="module")
def flowers(tmp_path_factory):
    """A run on a table of numbers, choices and gaps, and the table."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 90)
    table = pd.DataFrame({
        "length": 50 + 10 * kind + rng.normal(size=90),
        "colour": np.array(["red", "=blue", "white"])[(kind + (rng.random(90) < 0.2)) % 3],
        "weight": np.where(rng.random(90) < 0.2, np.nan, rng.normal(size=90)),
        "kind": np.array(["a", "b", "c"])[kind],
    })  # fmt: skip
    data = cs.from_table(table, label="kind")
    model = cs.SparseVAE(data.shape, 6, hidden=(16,), likelihood=data.likelihood)
    run = tmp_path_factory.mktemp("flowers") / "run"
    cs.fit(model, data, epochs=3, out=run, accelerator="cpu")
    return model, run, table, data.columns


def test_other_rows_of_a_table_are_encoded_in_the_columns_of_the_training(flowers, tmp_path):
    model, run, table, columns = flowers
    other = table.head(20)[["kind", "weight", "colour", "length"]].assign(more=1.0)
    other.loc[0, "kind"], other.loc[1, "kind"] = None, "new"
    other.to_csv(tmp_path / "other.csv", index=False)
    assert write_codes(run, str(tmp_path / "other.csv"), tmp_path / "codes.csv", label="kind") is None
    header, rows = read_csv(tmp_path / "codes.csv")
    assert header == ["id", "label", *(f"latent_{latent}" for latent in range(6))]
    assert [row[1] for row in rows] == ["", "new", *table.kind[2:20]]
    expected = cs.encode_dataset(model, cs.to_rows(table.head(20), columns), accelerator="cpu").values()
    np.testing.assert_allclose(np.array([row[2:] for row in rows], dtype=float), expected, rtol=1e-5, atol=1e-6)
    write_codes(run, str(tmp_path / "other.csv"), tmp_path / "codes.npz")
    assert (np.load(tmp_path / "codes.npz")["labels"] == -1).all()


@pytest.mark.parametrize(
    ("columns", "label", "message"),
    [(["length", "colour"], None, "weight"), (None, "knid", "Did you mean 'kind'"), (None, "weight", None)],
)
def test_a_table_that_does_not_fit_is_refused(flowers, tmp_path, columns, label, message):
    _, run, table, _ = flowers
    (table if columns is None else table[columns]).to_csv(tmp_path / "other.csv", index=False)
    if message is None:  # numbers are names as well
        write_codes(run, str(tmp_path / "other.csv"), tmp_path / "codes.csv", label=label)
        return
    with pytest.raises(InputError, match=message):
        write_codes(run, str(tmp_path / "other.csv"), tmp_path / "codes.csv", label=label)


def test_samples_of_a_table_are_in_its_own_columns_and_units(flowers, tmp_path):
    model, run, table, columns = flowers
    write_samples(run, n=12, label="b", out=tmp_path / "s.csv")
    header, rows = read_csv(tmp_path / "s.csv")
    assert header == ["sample", "length", "colour", "weight"]
    drawn = cs.to_table(cs.generate(model, 12, label="b"), columns)
    for at, name in enumerate(drawn, start=1):
        cells = [row[at] for row in rows]
        if drawn[name].dtype.kind == "f":
            np.testing.assert_allclose(np.array(cells, dtype=float), drawn[name], rtol=1e-4, atol=1e-4)
        else:  # what would be a formula has an apostrophe before it
            assert [cell.lstrip("'") for cell in cells] == drawn[name].tolist()
            assert not any(cell.startswith("=") for cell in cells)
    assert abs(np.mean([float(row[1]) for row in rows]) - table.length.mean()) < 20


def test_labels_of_an_array_lie_in_a_file_of_their_own(trained, tmp_path):
    np.save(tmp_path / "x.npy", trained.data.test.x[:5, 0])
    np.save(tmp_path / "y.npy", np.array([3, -1, 0, 9, 11]))
    write_codes(trained.run, str(tmp_path / "x.npy"), tmp_path / "codes.csv", label=str(tmp_path / "y.npy"))
    header, rows = read_csv(tmp_path / "codes.csv")
    assert header[:2] == ["id", "label"]
    assert [row[1] for row in rows] == ["3", "", "0", "9", "11"]
    expected = cs.encode_dataset(trained.model, trained.data.test.x[:5], accelerator="cpu").values()
    np.testing.assert_allclose(np.array([row[2:] for row in rows], dtype=float), expected, rtol=1e-5, atol=1e-6)


def test_what_training_had_not_counts_as_missing_and_is_told(flowers, tmp_path):
    _, run, table, _ = flowers
    table.assign(colour="violet").head(9).to_csv(tmp_path / "other.csv", index=False)
    with pytest.warns(cs.TrainingWarning, match=r"'colour' has what no training row had, 'violet', in 9 of 9 rows"):
        write_codes(run, str(tmp_path / "other.csv"), tmp_path / "codes.csv")
    table.assign(colour=None).head(9).to_csv(tmp_path / "empty.csv", index=False)
    write_codes(run, str(tmp_path / "empty.csv"), tmp_path / "same.csv")
    assert (tmp_path / "codes.csv").read_text() == (tmp_path / "same.csv").read_text()
