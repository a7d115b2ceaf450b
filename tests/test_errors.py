"""What is of a wrong type, at the verbs that read a model: refused in one line that names the argument, or taken."""

from typing import NamedTuple

import numpy as np
import pytest

import cospike as cs
from cospike.counterfactuals import find_counterfactual

LABELS = np.repeat([0, 1, 2], 50)
Z = np.eye(3)[LABELS] * np.random.default_rng(0).uniform(1, 2, (150, 1))
CODES = cs.Codes.from_values(Z, LABELS, class_names=("a", "b", "c"))
ROWS = Z[:4]
IMAGES = np.zeros((2, 1, 9, 9))
IMAGES[:, :, 3:6, 3:6] = 1


class Verb(NamedTuple):
    """A verb, arguments that are right, and those of which other types are refused; of the second, all but None."""

    call: object
    right: dict
    never_none: tuple[str, ...]
    maybe_none: tuple[str, ...] = ()


def decode(z):
    return z


def goal(x):
    return x[:, 0] - 3


def read(first, codes, second=None):
    return cs.match_latents(first, second or cs.Reading(decode, codes))


READING = cs.Reading(decode, CODES)
FACTORS = cs.explain(None, CODES)
SIZE = {"size": Z[:, 0]}
VERBS = {
    "intervene": Verb(
        cs.intervene,
        {"model": decode, "codes": CODES, "factors": FACTORS, "measure": lambda x: {"size": x[:, 0]}},
        ("codes", "factors", "threshold"),
        ("measure", "predict", "scales"),
    ),
    "match_latents": Verb(cs.match_latents, {"first": READING, "second": READING}, ("first", "second", "threshold")),
    "a Reading of match_latents": Verb(read, {"first": READING, "codes": CODES}, ("codes",)),
    "stability": Verb(cs.stability, {"runs": [READING, READING]}, ("runs", "threshold")),
    "find_counterfactual": Verb(
        find_counterfactual,
        {"model": decode, "codes": CODES, "row": 0, "goal": goal},
        ("codes", "row", "goal", "max_changes", "beam"),
        ("plausibility",),
    ),
    "associate": Verb(
        cs.associate, {"codes": CODES, "attributes": SIZE}, ("codes", "attributes", "threshold", "strong")
    ),
    "block_directions": Verb(
        cs.block_directions, {"codes": CODES, "attributes": SIZE}, ("codes", "attributes", "seed")
    ),
    "group_sharing": Verb(
        cs.group_sharing, {"codes": CODES, "group": ("a", "b")}, ("codes", "group", "n_bootstrap"), ("baseline",)
    ),
    "measure_attributes": Verb(cs.measure_attributes, {"x": IMAGES, "cache": False}, ("x",), ("kind", "jobs")),
}
CASES = [
    (name, argument, value)
    for name, verb in VERBS.items()
    for argument in (*verb.never_none, *verb.maybe_none)
    for value in ([1, [2]], "x", ROWS, None)
    if value is not None or argument in verb.never_none
    if not (argument == "x" and value is ROWS)
]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("name", "argument", "value"), CASES, ids=lambda part: str(part)[:20].split("\n")[0])
def test_a_wrong_type_is_refused_in_one_line_that_names_it(name, argument, value):
    verb = VERBS[name]
    with pytest.raises(ValueError, match=rf"^'{argument}' of {name} must be .*, got .*\. \S[^\n]*$"):
        verb.call(**{**verb.right, argument: value})


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", VERBS)
def test_what_is_right_is_taken(name):
    verb = VERBS[name]
    verb.call(**verb.right)
    verb.call(**{**verb.right, **dict.fromkeys(verb.maybe_none)})


@pytest.mark.usefixtures("unchecked")
def test_a_model_that_is_none_of_both_is_refused():
    for name in ("intervene", "find_counterfactual"):
        with pytest.raises(ValueError, match="A model must be a SparseVAE, or a function from codes to data, got str"):
            VERBS[name].call(**{**VERBS[name].right, "model": "x"})


@pytest.mark.usefixtures("unchecked")
def test_lists_are_taken_for_arrays_where_they_can_be():
    images, table = (cs.measure_attributes(x.tolist(), cache=False) for x in (IMAGES, Z))
    np.testing.assert_equal(images, cs.measure_attributes(IMAGES, cache=False))
    np.testing.assert_array_equal(table["column 1"], Z[:, 1])
    assert str(cs.associate(CODES, {"size": Z[:, 0].tolist()})) == str(cs.associate(CODES, SIZE))
    assert cs.group_sharing(CODES, np.array(["a", "b"])) == cs.group_sharing(CODES, ("a", "b"))
    ask = {"model": decode, "codes": CODES, "goal": lambda x: list(x[:, 0] - 1.5)}
    found, other = (find_counterfactual(row=row, **ask) for row in (60, np.int64(60)))
    assert found.changes == other.changes != ()
    again, plain = (
        cs.intervene(decode, CODES, factors, measure=lambda x, as_list=as_list: {"size": as_list(x[:, 0])})
        for factors, as_list in ((list(FACTORS), list), (FACTORS, np.array))
    )
    assert str(again) == str(plain)
