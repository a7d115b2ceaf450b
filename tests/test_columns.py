"""Columns: what they are, against scikit-learn's transformers, and back into their own units."""

import itertools
import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from cospike._errors import InputError, TrainingWarning
from cospike.column_entries import column_attributes, decode_columns, encode_columns
from cospike.columns import (
    ABSENT,
    MAX_CATEGORIES,
    OTHER,
    Column,
    columns_from_json,
    columns_to_json,
    fit_column,
    in_order,
)

RNG = np.random.default_rng(0)
N = 200
TRAIN = RNG.permutation(N)[:120]


def texts(values):
    return np.array(values, dtype=object)


def a_table():
    """Numbers on any scale, choices of two and of more, with and without missing cells."""
    rng = np.random.default_rng(1)
    table = {
        "weight": rng.normal(70, 12, N),
        "atoms": rng.lognormal(50, 1, N),
        "smoker": texts(rng.choice(["no", "yes"], N)),
        "ward": texts(rng.choice(["a", "b", "c", "d"], N, p=[0.5, 0.3, 0.1, 0.1])),
        "twice": rng.integers(0, 2, N).astype(float) * 5 + 1,
    }
    table["weight"][rng.random(N) < 0.2] = np.nan
    table["ward"][rng.random(N) < 0.1] = None
    return table


def fitted(table):
    return [fit_column(name, cells, TRAIN) for name, cells in table.items()]


def test_they_do_what_scikit_learns_transformers_do():
    """The same numbers from a ColumnTransformer that is fitted on the training rows."""
    table = a_table()
    columns = fitted(table)
    choice = make_pipeline(
        SimpleImputer(strategy="most_frequent", missing_values=None), OneHotEncoder(sparse_output=False)
    )
    stacked = np.column_stack([values.astype(object) for values in table.values()])
    for place, name in enumerate(table):
        column = columns[place]
        values = encode_columns([column], table)
        rows = stacked[:, [place]]
        if column.kind == "gaussian":
            # the scaler comes after the imputer there, and counts filled cells; here it sees what was measured
            known = TRAIN[~np.isnan(table[name][TRAIN])]
            scaler = StandardScaler().fit(table[name][known, None])
            filled = SimpleImputer().fit(table[name][TRAIN, None]).transform(table[name][:, None])
            expected = scaler.transform(filled)
            if column.missing:
                expected = np.hstack([expected, np.isnan(table[name])[:, None]])
        else:
            fit = ColumnTransformer([(name, choice, [0])]).fit(rows[TRAIN])
            expected = fit.transform(rows)
            expected = expected[:, 1:] if column.kind == "bernoulli" else expected
            if column.missing:
                expected = np.hstack([expected, np.array([[cell is None] for cell in table[name]])])
        np.testing.assert_allclose(values, expected.astype(float), rtol=1e-5, atol=1e-6, err_msg=name)


def test_kinds_follow_what_is_in_a_column():
    kinds = {column.name: (column.kind, column.missing, column.size) for column in fitted(a_table())}
    assert kinds == {
        "weight": ("gaussian", True, 1),
        "atoms": ("gaussian", False, 1),
        "smoker": ("bernoulli", False, 1),
        "ward": ("categorical", True, 4),
        "twice": ("bernoulli", False, 1),
    }


def test_of_two_numbers_the_larger_is_coded_as_one():
    cells = np.where(np.arange(N) % 3 == 0, 10.0, 9.0)
    column = fit_column("x", cells, TRAIN)
    assert column.categories == ("9", "10")
    assert encode_columns([column], {"x": cells})[:, 0].tolist() == (cells == 10).astype(float).tolist()


def test_rows_come_back_in_their_own_units():
    table = a_table()
    columns = fitted(table)
    back = decode_columns(columns, encode_columns(columns, table), drop_missing=True)
    for name, cells in table.items():
        if cells.dtype == float and name != "twice":
            np.testing.assert_allclose(back[name], cells, rtol=1e-5)
        else:
            assert back[name].tolist() == [None if cell is None else str(cell).removesuffix(".0") for cell in cells]


def test_learned_of_training_rows_alone():
    cells = np.zeros(N)
    cells[TRAIN] = RNG.normal(3, 2, len(TRAIN))
    cells[np.setdiff1d(np.arange(N), TRAIN)] = 1e6 * RNG.normal(size=N - len(TRAIN))
    column = fit_column("x", cells, TRAIN)
    assert column.loc == pytest.approx(cells[TRAIN].mean())
    assert column.scale == pytest.approx(cells[TRAIN].std())


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (np.full(N, np.nan), "empty"),
        (texts([None] * N), "empty"),
        (np.full(N, 7.0), "the same in every row"),
        (texts(["x"] * N), "the same in every row"),
        (np.arange(N) + 17.0, "the number of the row"),
        (RNG.permutation(N).astype(float), "the number of the row"),
        (texts([f"patient {i}" for i in range(N)]), "a text of its own in nearly every row"),
        (texts([f"note {i // 2 if i < 60 else i}" for i in range(N)]), "a text of its own in nearly every row"),
    ],
)
def test_what_nothing_can_be_learned_from_is_told(cells, reason):
    assert fit_column("x", cells, TRAIN) == reason


def test_numbers_that_all_differ_are_numbers():
    assert fit_column("x", RNG.normal(size=N), TRAIN).kind == "gaussian"
    assert fit_column("x", np.arange(N) * 2.0, TRAIN).kind == "gaussian", "not every whole number: no count of rows"
    few = texts(["a", "b", "c", "d"])
    assert fit_column("x", few, np.arange(3)).kind == "categorical", "four rows may all differ"


def test_one_value_that_is_sometimes_missing_is_a_choice_of_two():
    cells = texts([None if i % 3 else "alley" for i in range(N)])
    column = fit_column("x", cells, TRAIN)
    assert (column.kind, column.categories, column.missing) == ("bernoulli", (ABSENT, "alley"), False)
    assert encode_columns([column], {"x": cells})[:, 0].tolist() == [float(cell is not None) for cell in cells]


def test_of_a_thousand_categories_the_rarest_are_one():
    rng = np.random.default_rng(2)
    cells = texts([f"city {int(i)}" for i in rng.zipf(1.3, 5_000) % 1_000])
    column = fit_column("x", cells, np.arange(4_000))
    encoder = OneHotEncoder(max_categories=MAX_CATEGORIES, sparse_output=False).fit(cells[:, None])
    assert len(column.categories) == MAX_CATEGORIES == encoder.transform(cells[:1, None]).shape[1]
    assert column.categories[-1] == OTHER
    encoded = encode_columns([column], {"x": cells})
    assert (encoded.sum(axis=1) == 1).all()
    # sums of the columns are those of scikit-learn's, whichever of equally rare ones it drops
    assert sorted(encoded.sum(axis=0)) == sorted(encoder.transform(cells[:, None]).sum(axis=0))


def test_an_infinity_is_refused_by_name():
    cells = np.arange(N) / 7
    cells[3] = -np.inf
    with pytest.raises(InputError, match=r"'x' must hold finite numbers of at most .*, got infinity"):
        fit_column("x", cells, TRAIN)
    cells[3] = 1e200
    with pytest.raises(InputError, match=r"'x' must hold finite numbers of at most .*, got 1e\+200"):
        fit_column("x", cells, TRAIN)


def test_a_number_from_another_world_is_refused_by_name():
    cells = RNG.normal(size=N)
    cells[np.setdiff1d(np.arange(N), TRAIN)[0]] = 1e12
    column = fit_column("x", cells, TRAIN)
    with pytest.raises(InputError, match=r"'x' must hold numbers like those of the training rows, got one.*1e\+12"):
        encode_columns([column], {"x": cells})


def test_new_rows_are_encoded_by_the_columns_of_the_training():
    table = a_table()
    columns = fitted(table)
    new = {name: cells[:3].copy() for name, cells in table.items()}
    new["ward"] = texts(["z", None, "a"])
    new["weight"] = np.array([np.nan, 70.0, 71.0])
    with pytest.warns(TrainingWarning, match=r"'ward' has what no training row had, 'z', in 1 of 3 rows: they count"):
        rows = encode_columns(columns, new)
    ward = rows[:, 4:9]
    assert ward[0].tolist() == ward[1].tolist(), "a category that training did not know is a missing cell"
    assert ward[1, :4].sum() == 1
    assert ward[1, 4] == 1
    assert rows[0, :2].tolist() == pytest.approx([0, 1], abs=1e-6), "the mean, and that it is missing"
    del new["weight"]
    with pytest.raises(InputError, match="lacks the column 'weight'"):
        encode_columns(columns, new)
    with pytest.raises(InputError, match="'weight' must hold numbers, as in training, got texts"):
        encode_columns(columns, new | {"weight": texts(["a", "b", "c"])})


def test_attributes_have_names_and_units():
    table = a_table()
    columns = fitted(table)
    attributes = column_attributes(columns, encode_columns(columns, table))
    assert list(attributes) == [
        "weight", "weight: missing", "atoms", "smoker: yes", "ward: a", "ward: b", "ward: c", "ward: d",
        "ward: missing", "twice: 6",
    ]  # fmt: skip
    np.testing.assert_allclose(attributes["weight"], table["weight"], rtol=1e-5)
    assert np.isnan(attributes["ward: a"]).tolist() == [cell is None for cell in table["ward"]]
    assert attributes["twice: 6"].tolist() == (table["twice"] == 6).astype(float).tolist()


def test_they_pass_through_json():
    columns = tuple(fitted(a_table()))
    entries = columns_to_json(columns)
    assert columns_from_json(json.loads(json.dumps(entries))) == columns
    assert json.loads(json.dumps(entries)) == entries, "a run is resumed by comparing them"


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "poisson"}, {"scale": 0.0}, {"scale": float("nan")}, {"loc": "1"}, {"categories": ["a"]},
        {"missing": 1}, {"name": 3}, {"more": 1}, {"categories": 7}, {"kind": "bernoulli", "categories": ["a"]},
        {"kind": "categorical", "categories": ["a", "b"]},
    ],
)  # fmt: skip
def test_a_damaged_record_is_no_column(damage):
    with pytest.raises(ValueError, match=r"it has columns that are none|categories"):
        columns_from_json([{"name": "x", "kind": "gaussian"} | damage])
    (column,) = columns_from_json([{"name": "x", "kind": "gaussian", "loc": 10**20 - 1}])
    assert column.loc == 10**20 - 1, "JSON has larger whole numbers than NumPy"
    for other in ([7], 7, "x", [{"kind": "gaussian"}], [{"name": "x", "kind": "gaussian"}] * 2):
        with pytest.raises(ValueError, match="it has"):
            columns_from_json(other)


@given(st.lists(st.one_of(st.none(), st.floats(allow_infinity=False, width=32), st.integers(-3, 3)), min_size=3))
def test_whatever_numbers_there_are_rows_are_finite_and_come_back(values):
    cells = np.array([np.nan if value is None else value for value in values], dtype=float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        column = fit_column("x", cells, np.arange(len(cells)))
        if isinstance(column, Column):
            rows = encode_columns([column], {"x": cells})
            assert np.isfinite(rows).all()
            assert not column.missing or (rows[:, -1] == np.isnan(cells)).all()
            back = decode_columns([column], rows, drop_missing=True)["x"]
            if column.kind == "gaussian":
                assert np.array_equal(np.isnan(back), np.isnan(cells))
                np.testing.assert_allclose(back, cells, rtol=1e-5, atol=1e-5 * (column.scale + abs(column.loc)))


def test_the_order_of_categories_does_not_depend_on_how_they_come():
    given = ("nan", "1", "a", "-NaN", "inf", "10", "")
    orders = {(*sorted(some, key=in_order),) for some in itertools.permutations(given)}
    assert orders == {("1", "10", "inf", "", "-NaN", "a", "nan")}


def test_a_text_that_is_no_name_is_left_out():
    cells = texts(["a", "b" * 1000, "c"] * 20)
    assert isinstance(fit_column("x", cells, np.arange(60)), Column)
    assert fit_column("x", texts(["a", "b" * 1001, None] * 20), np.arange(60)) == "a text of over 1,000 characters"
