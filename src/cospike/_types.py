"""The axis vocabulary of shapes, and the aliases that signatures share.

Axes: ``sample`` (a row of a data set), ``batch`` (a row of a step), ``latent`` (a dimension of z), ``class``
(a label), ``*event`` (the axes of one observation: ``1 28 28`` for a grey image, ``784`` for a table row).
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

UNLABELLED = -1
"""The label of a row whose class is not known: it takes part in everything but the class terms."""

MAX_CLASSES, MAX_NAME = 2**17, 1_000
"""Classes of a run, and characters of a name, of a class as of a column: more are no names, and no run is read with."""

SampleLatent: TypeAlias = Float[np.ndarray, "sample latent"]
SampleLatentMask: TypeAlias = Bool[np.ndarray, "sample latent"]
ClassLatent: TypeAlias = Float[np.ndarray, "class latent"]
Labels: TypeAlias = Int[np.ndarray, " sample"]
