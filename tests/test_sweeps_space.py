"""What is searched, from what is typed."""

from cospike.sweeps.space import Choice, Range, corners, parse_search, searchable


def test_ranges_and_choices_are_of_the_kind_of_their_option():
    space = parse_search(["within=1:20", "sharing=0:1", "n-latents=16:64:linear", "network=mlp,conv", "n_dense=0,3"])
    assert space == {
        "within": Range(1.0, 20.0, log=True),
        "sharing": Range(0.0, 1.0, log=False),
        "n_latents": Range(16, 64, log=False, whole=True),
        "network": Choice(("mlp", "conv")),
        "n_dense": Choice((0, 3)),
    }
    assert {name: parse_search([f"{name}={part}"])[name] for name, part in space.items()} == space
    assert 16 in space["n_latents"]
    assert 16.5 not in space["n_latents"]
    assert "conv" in space["network"]


def test_what_changes_the_measures_themselves_is_not_searched():
    assert not {"seed", "split_seed", "likelihood", "accelerator", "precision"} & searchable().keys()
    assert {"n_latents", "active_prior", "within", "learning_rate", "epochs", "hidden"} <= searchable().keys()


def test_corners_hold_both_ends_and_every_choice():
    found = list(corners(parse_search(["within=1:20", "network=mlp,conv"])))
    assert {"within": 1.0, "network": "mlp"} in found
    assert {"within": 20.0, "network": "conv"} in found
    assert {params["network"] for params in found} == {"mlp", "conv"}
