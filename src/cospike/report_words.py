"""What the pages of a run say: the environment of their templates, and the texts of `words.j2` for what is no template.

The templates hold every word; here are the numbers and names that go into them.
"""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

import jinja2
from jinja2.filters import do_striptags

from cospike._text import signed
from cospike.attributes import UNITS, attribute_kind
from cospike.factors import Factor
from cospike.interventions import Intervention
from cospike.kinds import KINDS
from cospike.metrics import Measurement
from cospike.report_figures import RunView

_NOTE = re.compile(r"<p[^>]*>(.*?)</p>", re.DOTALL)


def environment() -> jinja2.Environment:
    """Of the templates: what they are given is text, and what they are not given is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("cospike"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class Words:
    """The texts of `words.j2` about a run, as plain text.

    Args:
        view: the run.
        metrics: its measures.
    """

    def __init__(self, view: RunView, metrics: Mapping[str, Measurement]) -> None:
        given = {
            "view": view,
            "n": count_kinds(view.factors),
            "n_latents": view.model.n_latents,
            "value": {name: measured.value for name, measured in metrics.items() if isfinite(measured.value)},
        }
        self._module: Any = environment().get_template("words.j2").make_module(given)

    @property
    def measures(self) -> dict[str, tuple[str, str]]:
        """Title and meaning of the measures that have one, in their order."""
        return dict(self._module.MEASURES)

    @property
    def summary(self) -> str:
        """What stands at the head of a report."""
        return _plain(self._module.summary())

    @property
    def effect_unit(self) -> str:
        """What an effect is counted in."""
        return _plain(self._module.effect_unit())

    @property
    def notes(self) -> list[str]:
        """What is left out, a sentence each."""
        return [_plain(one) for one in _NOTE.findall(self._module.notes() + self._module.samples_note())]


def count_kinds(factors: tuple[Factor, ...]) -> dict[str, int]:
    """How many latents are of each kind."""
    kinds = [factor.kind for factor in factors]
    return {kind: kinds.count(kind) for kind in KINDS}


def shown_changes(interventions: Mapping[int, Intervention], view: RunView) -> dict[int, str]:
    """Of each latent what it changes most, in words: an attribute, by how much, and whether by its range (↔)."""
    units = UNITS.get(attribute_kind(view.config["data"]["name"], view.model.shape) or "", {})
    texts = {}
    for latent, one in interventions.items():
        if change := one.named:
            value = (change.sweep if change.by_sweep else change.on).value
            size = signed(value).replace("-", "\N{MINUS SIGN}", 1)
            size = f"\N{LEFT RIGHT ARROW} {size}" if change.by_sweep else size
            unit = units.get(change.attribute, "")
            texts[latent] = f"{change.attribute.replace('_', ' ')} {size} {unit}".strip()
    return texts


def shown_value(measured: Measurement) -> str:
    """A value with the digits that matter; fractions in percent."""
    value = measured.value
    if measured.unit == "fraction":
        return f"{100 * value:.1f}"
    if measured.unit == "seconds":
        return f"{value:.0f}"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}" if abs(value) >= 1 else f"{value:.3g}"


def _plain(markup: str) -> str:
    """Without tags, and as one line."""
    return do_striptags(markup)
