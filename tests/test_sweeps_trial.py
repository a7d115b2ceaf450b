"""What a trial sees of the data, and what it is by default."""

from dataclasses import replace

import pytest

from cospike.options import Options
from cospike.sweeps.space import parse_search
from cospike.sweeps.trial import Setup, default_params, prepare, train


@pytest.mark.slow
def test_a_trial_does_not_see_the_test_rows(digits):
    from cospike.data import Split

    options = Options(epochs=1, hidden=(16,), accelerator="cpu")
    other = replace(digits, test=Split(1 - digits.test.x, digits.test.y.flip(0)))
    found = [train(prepare(data, "class-consistent", options), {"within": 2.0}) for data in (digits, other)]
    assert [{**values, "seconds": 0} for values in found] == [{**found[0], "seconds": 0}] * 2
    shown = replace(digits, validation=other.test)
    differs = train(prepare(shown, "class-consistent", options), {"within": 2.0})
    assert differs["neg_elbo"] != found[0]["neg_elbo"]


def test_defaults_are_searched_that_are_not_given(digits):
    setup = prepare(digits, "class-consistent", Options(within=3.0, accelerator="cpu"))
    assert default_params(setup) == {"n_latents": 60, "active_prior": 0.1, "equivocation": 8.0, "learning_rate": 0.0025}
    assert setup.options.epochs == 80  # a third of 240
    assert default_params(Setup(setup.data, "", "paper", Options())).keys() >= {"pairwise"}
    assert "active_prior" not in default_params(Setup(setup.data, "", "vae", Options()))


def test_a_table_is_swept_too():
    from sklearn.datasets import load_iris

    from cospike import from_table
    from cospike.sweeps.run import make_plan

    pytest.importorskip("pandas")
    data = from_table(load_iris(as_frame=True).frame, label="target")
    plan = make_plan(data, "class-consistent", Options(accelerator="cpu"), parse_search(["hidden=16,32"]))
    assert plan.first == {
        "n_latents": 60,
        "active_prior": 0.1,
        "within": 5.0,
        "equivocation": 8.0,
        "learning_rate": 0.0025,
    }
    assert str(plan.space["active_prior"]) == "0.025:0.4:log"
