"""`config.json` of other versions: an older one is made what this version reads, a newer one is refused.

1: until the dense block (0.1.0 in development): α = 1 made a model without spikes, and there were no priors to choose.
2: `n_dense`, `prior`, `n_classes` and `n_pseudo_inputs` of the model.

A file stays as it is; what is read of it is of today's version. What was trained is not changed: `objective` and
`training` stay the record of what they were, so that an older run is read, and not resumed.
"""

from collections.abc import Callable
from typing import Any

from cospike._errors import InputError

VERSION = 2


def migrate(config: Any, place: object) -> dict[str, Any]:
    """The content of a `config.json`, as of `VERSION`.

    Args:
        config: what the file holds.
        place: the file, for the message.

    Raises:
        InputError: if it is of no version, of a newer one, or no whole one of an older.
    """
    version = config.get("schema_version") if isinstance(config, dict) else None
    if type(version) is not int or not 1 <= version <= VERSION:
        newer = type(version) is int and version > VERSION
        fix = "A newer cospike wrote it: update cospike." if newer else "Is it a run of cospike?"
        raise InputError(f"{place} must have schema_version {VERSION}, got {version!r:.40}. {fix}")
    for old in range(version, VERSION):
        try:
            config = _STEPS[old](config)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{place} must be a whole config of schema_version {old}, got one without {error}. Is it damaged?"
            ) from error
    return dict(config)


def _from_1(config: dict[str, Any]) -> dict[str, Any]:
    """The weights are the same: a model without spikes is one of dense latents, and any other has none of them."""
    model = config["model"]
    dense = model["active_prior"] == 1
    now = {
        "active_prior": 0.01 if dense else model["active_prior"],  # of no sparse latent: it does not count
        "n_dense": model["n_latents"] if dense else 0,
        "prior": "fixed",
        "n_classes": None,
        "n_pseudo_inputs": 20,
    }
    return {**config, "schema_version": 2, "model": {**model, **now}}


_STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}
