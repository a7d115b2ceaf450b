"""Where to compute, and in which precision."""

import logging
import os
import shutil
from typing import Any, Literal, TypeAlias

import torch

from cospike._errors import InputError
from cospike.model import SparseVAE
from cospike.objective import Objective

Precision: TypeAlias = Literal["32-true", "bf16-mixed"]

_MULTIPLY_BFLOAT16 = ("avx512_bf16", "amx_bf16")


def default_precision(model: SparseVAE, accelerator: str = "auto") -> Precision:
    """The fastest precision in which ``model`` is known to train as well as in float32 on this machine.

    "bf16-mixed" for a Bernoulli likelihood on a processor that multiplies bfloat16 itself: by capability, never by a
    timing, so that the same machine decides the same. A Gaussian one may learn a scale below the three digits that
    bfloat16 has. On a GPU it was not compared.
    """
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not _has_gpu())
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    able = any(capabilities.get(name) for name in _MULTIPLY_BFLOAT16)
    return "bf16-mixed" if on_cpu and able and model.settings["likelihood"] == "bernoulli" else "32-true"


def check_compile(objective: Objective) -> None:
    """Refuse to compile what would be compiled anew in every step, or cannot be on this machine."""
    if objective.pairwise or objective.spikes != "second-order" or objective.slab_warm_up(0.0) != 1:
        raise InputError(
            f"'compile' of fit does not fit the objective {objective.name!r}: it is for second-order spikes, no slab "
            "warm-up, and no pairwise loss. Leave it out."
        )
    compilers = (os.environ.get("CXX", "g++"), "clang++", "cl")
    if not any(shutil.which(name) for name in compilers):
        raise InputError(
            f"'compile' of fit needs a C++ compiler, found none of {', '.join(compilers)}. "
            "Install one, or leave it out."
        )


def open_fabric(accelerator: str, precision: Precision) -> Any:
    """Fabric on one device, without its remark on a precision that was asked for."""
    from lightning_fabric import Fabric  # noqa: PLC0415  (takes a second, and reading a run needs none)

    logger = logging.getLogger("lightning_fabric")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        return Fabric(accelerator=accelerator, devices=1, precision=precision)
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"'accelerator' of fit must be one that this machine has, got {accelerator!r}: {reason} Try 'cpu'."
        ) from error
    finally:
        logger.setLevel(level)


def _has_gpu() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()
