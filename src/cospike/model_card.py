"""The card of a run on a hub: what it was trained on, how it measures, what its latents are, what that leaves open."""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

import yaml

from cospike.metrics import Measurement, parse_measurements

_MAX_FACTORS = 30
_ARROWS = {"higher": "↑", "lower": "↓", "neither": ""}
_MARKS = r"\|[]*_<>`#~&!$"
_NAME = re.compile(r"[\w.-]+")
_FACTOR_COLUMNS = ("latent", "kind", "classes", "undecided", "usage", "lift", "effect")

_LIMITS = """\
- One training with one seed: another may divide the factors otherwise. `cospike measure RUN --seeds OTHER …` says which
  latents come back.
- Kinds, lifts and effects are of the held-out rows of these data, with these class names; of other data they say
  nothing.
- A code that is the same for every sample agrees perfectly: read agreement beside disagreement between classes, the
  number of latents in use and the bounds. Probes use labels, and so may the training loss.
- What a latent goes with is a correlation. Samples look like the training data, with all that is in them.
"""


def format_card(
    config: Mapping[str, Any],
    *,
    address: str,
    metrics: str | None,
    factors: str | None,
    files: Sequence[str],
    license: str | None = None,  # noqa: A002  # as the hub calls it
) -> str:
    """A model card, in Markdown with a head of YAML.

    Args:
        config: of the run.
        address: where it will be, as ``hf://user/name``.
        metrics: the content of `metrics.json`, if the run was measured.
        factors: the content of `factors.csv`.
        files: names of all that is shared.
        license: by its short name, such as "apache-2.0"; default: the card names none.
    """
    name = address.removeprefix("hf://")
    parts = [
        f"---\n{_head(config, license)}---\n\n# {name.rpartition('/')[2]}\n",
        "A sparse variational autoencoder whose latents are exactly 0 or active, trained with cospike "
        f"{_cell(config['cospike'])}: objective {_code(config['objective']['name'])}, "
        f"seed {_cell(config['training'].get('seed'))}.\n",
        _usage(address),
        f"## Data\n\n{_data(config)}\n",
        f"## Measures\n\n{_measures(metrics)}\n",
        f"## Latents\n\n{_factors(factors, 'factors.csv' in files)}\n",
        f"## Limits\n\n{_LIMITS}",
        "## Files\n\n"
        + ", ".join(f"`{file}`" for file in files)
        + ". None of them is pickled, and `manifest.json` has "
        "the SHA-256 of each, which are checked on loading.\n",
    ]
    return "\n".join(parts)


def _head(config: Mapping[str, Any], license: str | None) -> str:  # noqa: A002
    tags = ["cospike", "variational-autoencoder", "sparse-coding", "spike-and-slab", "interpretability"]
    head = {
        **({"license": license} if license else {}),
        "library_name": "cospike",
        "pipeline_tag": "feature-extraction",
        "tags": [*tags, *filter(_NAME.fullmatch, [config["objective"]["name"]])],
    }
    text: str = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return text


def _usage(address: str) -> str:
    return f"""\
```python
import cospike as cs                     # with pip install 'cospike[hub]'

model = cs.load("{address}")
codes = cs.encode_dataset(model, x)      # x: an array of samples, as the data below
samples = cs.generate(model, 16)         # or of a class: label=…
```
"""


def _data(config: Mapping[str, Any]) -> str:
    data, model = config["data"], config["model"]
    rows = ", ".join(f"{n:,} {_cell(split)}" for split, n in data.get("rows", {}).items())
    names = data["class_names"]
    shown = ", ".join(map(_cell, names[:20])) + (f" … ({len(names)} in all)" if len(names) > 20 else "")
    shape = " by ".join(map(str, model["shape"]))
    likelihood = model["likelihood"] if isinstance(model["likelihood"], str) else "one for each column"
    return (
        f"{_cell(data['name'])}{f' ({rows} rows)' if rows else ''}, samples of {shape}; fingerprint "
        f"{_code(data.get('fingerprint'))}. Likelihood {_cell(likelihood)}, network {_cell(model['network'])}, "
        f"{model['n_latents']} latents, {model['n_dense']} of them always on.\n\nClasses: {shown or 'none'}."
    )


def _measures(metrics: str | None) -> str:
    if metrics is None:
        return "Not measured: `cospike measure RUN` does."
    measured: dict[str, Measurement] = parse_measurements(json.loads(metrics))
    rows = (
        [_code(key), f"{one.value:.4g} {_ARROWS[one.direction]}".strip(), _cell(one.unit), _cell(one.how)]
        for key, one in measured.items()
    )
    return _table(("measure", "value", "unit", "how"), rows) + "\nOf held-out rows; ↑ higher is better, ↓ lower."


def _factors(factors: str | None, is_shared: bool) -> str:
    if factors is None:
        return "Not measured: `cospike measure RUN` does."
    rows = list(csv.DictReader(StringIO(factors)))
    used = [row for row in rows if row["kind"] != "dead"]
    shown = ([_cell(row[column]) for column in _FACTOR_COLUMNS] for row in used[:_MAX_FACTORS])
    n_dead = len(rows) - len(used)
    more = f" The first {_MAX_FACTORS} of {len(used)} are shown." if len(used) > _MAX_FACTORS else ""
    where = " All columns are in `factors.csv`." if is_shared else ""
    return (
        _table(_FACTOR_COLUMNS, shown) + f"\n{n_dead} of {len(rows)} latents are not in use.{more}{where} *undecided*: "
        "classes of which the samples do not decide whether they use the latent; *lift*: P(active given its classes) / "
        "P(active); *effect*: what switching it off changes, summed over a sample."
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (" | ".join(cells) for cells in (header, ["---"] * len(header), *rows))
    return "".join(f"| {line} |\n" for line in lines)


def _cell(text: object) -> str:
    """Text of someone's data: in one line, and nothing that Markdown or HTML would take for its own."""
    return "".join(f"\\{mark}" if mark in _MARKS else mark for mark in " ".join(str(text).split()))


def _code(text: object) -> str:
    """The same as a name in a program, if it is one: within backticks nothing can be escaped."""
    return f"`{text}`" if _NAME.fullmatch(str(text)) else _cell(text)
