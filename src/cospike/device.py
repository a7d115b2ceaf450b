"""Where to compute, and in which precision."""

import atexit
import logging
import os
import shlex
import shutil
import sys
from datetime import timedelta
from typing import Any, Literal, TypeAlias, get_args

import torch
import torch.distributed as dist

from cospike._errors import InputError
from cospike.model import SparseVAE
from cospike.objective import Objective

Precision: TypeAlias = Literal["32-true", "bf16-mixed"]

_MULTIPLY_BFLOAT16 = ("avx512_bf16", "amx_bf16")


def default_precision(model: SparseVAE, accelerator: str = "auto") -> Precision:
    """The precision to train ``model`` in on this machine, where none is asked for.

    "bf16-mixed" for a Bernoulli likelihood on a processor that multiplies bfloat16 itself: by capability, never by a
    timing, so that the same machine decides the same. On MNIST and Fashion-MNIST three seeds had the bounds of float32
    within .3 nats in the mean (docs/design/0014-speed-of-a-step.md). A Gaussian likelihood may learn a scale below the
    three digits that bfloat16 has; on a GPU nothing was compared.
    """
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not _has_gpu())
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    able = any(capabilities.get(name) for name in _MULTIPLY_BFLOAT16)
    return "bf16-mixed" if on_cpu and able and model.settings["likelihood"] == "bernoulli" else "32-true"


def check_precision(precision: str, of: str) -> None:
    """Refuse a precision that is none of ours, in the name of the callable that was given it."""
    if precision not in get_args(Precision):
        known = " or ".join(map(repr, get_args(Precision)))
        raise InputError(f"'precision' of {of} must be {known}, got {precision!r}.")


def check_compile(objective: Objective, *, all_labelled: bool = True) -> None:
    """Refuse to compile what would be compiled anew in every step, or cannot be on this machine."""
    if not all_labelled:
        raise InputError("'compile' of fit needs rows that all have a class, got some without. Leave it out.")
    if objective.pairwise or objective.spikes != "second-order" or objective.slab_warm_up(0.0) != 1:
        raise InputError(
            f"'compile' of fit does not fit the objective {objective.name!r}: it is for second-order spikes, no slab "
            "warm-up, and no pairwise loss. Leave it out."
        )
    named = shlex.split(os.environ.get("CXX", ""))
    compilers = named[:1] or ["g++", *(("clang++",) if sys.platform == "darwin" else ())]
    if sys.platform != "win32" and not any(shutil.which(name) for name in compilers):
        raise InputError(
            f"'compile' of fit needs a C++ compiler, found no {' and no '.join(compilers)}. Install one, or leave it "
            "out; a run that began compiled goes on where there is one."
        )


def n_processes() -> int:
    """How many processes torchrun started, to train together; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if dist.is_torchelastic_launched() else 1


def is_first() -> bool:
    """Whether this is the first of them, which writes and speaks for all."""
    return n_processes() == 1 or os.environ["RANK"] == "0"


def open_fabric(accelerator: str, precision: Precision, *, of: str = "fit", together: bool = False) -> Any:
    """Fabric on one device, without its remark on a precision that was asked for.

    Args:
        accelerator: where to compute.
        precision: in which to.
        of: who asks, for a message.
        together: join the other processes that torchrun started. One that does not answer for COSPIKE_TIMEOUT seconds,
            300 by default, is given up.
    """
    from lightning_fabric import Fabric  # noqa: PLC0415  (takes a second, and reading a run needs none)
    from lightning_fabric.strategies.ddp import DDPStrategy  # noqa: PLC0415

    placement: dict[str, Any] = {"devices": 1}
    if together and n_processes() > 1:
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        patience = timedelta(seconds=process_timeout())
        placement = {"devices": here, "num_nodes": n_processes() // here, "strategy": DDPStrategy(timeout=patience)}
    elif n_processes() > 1 and torch.cuda.is_available() and accelerator != "cpu":
        placement = {"devices": [int(os.environ["LOCAL_RANK"])]}  # alone, beside others that have the first
    logger = logging.getLogger("lightning_fabric")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        fabric = Fabric(accelerator=accelerator, precision=precision, **placement)
        if together:
            fabric.launch()
            atexit.register(_leave)
        return fabric
    except (RuntimeError, ValueError, TypeError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"'accelerator' of {of} must be one that this machine has, got {accelerator!r}: {reason} Try 'cpu'."
        ) from error
    finally:
        logger.setLevel(level)


def _leave() -> None:
    """Close the connections to other processes: their threads would turn the way out into an abort."""
    if dist.is_initialized():
        dist.destroy_process_group()


def process_timeout() -> float:
    """COSPIKE_TIMEOUT, or 300: seconds after which a process that does not answer is given up."""
    given = os.environ.get("COSPIKE_TIMEOUT", "300")
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise InputError(f"COSPIKE_TIMEOUT must be seconds above 0, got {given!r}. Leave it out for 300.")
    return seconds


def _has_gpu() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()
