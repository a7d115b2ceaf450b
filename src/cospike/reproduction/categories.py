"""Classes as a family: how much each two share, and whether those of a category share more than others do."""

from typing import Any

from cospike.codes import Codes
from cospike.families import class_overlap, find_groups, group_sharing

FOOTWEAR = ("Sandal", "Sneaker", "Ankle boot")
"""The category that the paper names, of Fashion-MNIST."""

_N_BOOTSTRAP = 1_000


def category_sharing(test: Codes, train: Codes) -> dict[str, Any]:
    """The overlap of classes, the contrast of the category that was named beforehand, and of those that were found.

    Args:
        test: held-out codes, on which every number is measured.
        train: codes of the training rows, in which other groups are found.
    """
    named = {"footwear": FOOTWEAR} if set(FOOTWEAR) <= set(test.class_names) else {}
    found = find_groups(train, n_groups=2)
    return {
        "classes": list(test.class_names),
        "overlap": class_overlap(test).round(4).tolist(),
        "named": {name: _contrast(test, group) for name, group in named.items()},
        "found": [_contrast(test, group) for group in found],
    }


def _contrast(codes: Codes, group: tuple[str, ...]) -> dict[str, Any]:
    sharing = group_sharing(codes, group, n_bootstrap=_N_BOOTSTRAP)
    return {
        "group": list(sharing.group),
        "inside": sharing.inside,
        "outside": sharing.outside,
        "excess": list(sharing.excess),
        "p_value": sharing.p_value,
    }
