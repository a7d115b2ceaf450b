"""What a user sets on the command line or in a YAML file: one record, torch-free, so that `--help` stays light."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from cyclopts import Group, Parameter, Token

from cospike._errors import InputError
from cospike.choices import check_data, is_cells, is_file_of_data, is_table

ObjectiveName: TypeAlias = Literal["class-consistent", "paper", "vsc", "vsc-pseudo-inputs", "vae"]
"""The presets of `cospike.objective`, which loads torch."""

SplitName: TypeAlias = Literal["train", "validation", "test"]
"""The parts of a data set."""

DEMO_OBJECTIVES: tuple[ObjectiveName, ...] = ("vsc", "paper", "class-consistent")
"""What `cospike compare` trains by default; the report is that of the last one."""


def whole(kind: object, tokens: Sequence[Token]) -> Any:
    """A whole number, or several, from what was typed: half an epoch is refused, not rounded."""
    several, numbers = kind in (tuple[int, ...], tuple[int, ...] | None), list[int]()
    for token in tokens:
        try:
            numbers.append(int(token.value))
        except ValueError:
            option = (
                f"Invalid value for {token.keyword}: " if kind == tuple[int, ...] else ""
            )  # else it is named for us
            raise ValueError(f"{option}{token.value!r} is no whole number.") from None
    return tuple(numbers) if several else numbers[0]


_model = Group("Model", sort_key=1)
_objective = Group("Objective", sort_key=2)
_training = Group("Training", sort_key=3)


@dataclass(frozen=True)
class Options:
    """Everything that decides a run, but its data, its objective and its folder."""

    n_latents: Annotated[int, Parameter(group=_model, converter=whole)] = 60
    """Latents offered; training uses as many as pay."""
    network: Annotated[Literal["mlp", "conv"] | None, Parameter(group=_model)] = None
    """mlp, fully connected, or conv, convolutional (default: conv for images in colour or larger than 28 by 28)."""
    hidden: Annotated[tuple[int, ...], Parameter(group=_model, converter=whole, negative="")] = (400,)
    """Widths of the fully connected layers of the encoder; the decoder mirrors them."""
    likelihood: Annotated[
        Literal["bernoulli", "gaussian", "negative-binomial"] | None, Parameter(group=_model, negative="")
    ] = None
    """bernoulli for values in 0 … 1, gaussian for any, negative-binomial for counts (default: bernoulli; of cells
    negative-binomial; of a table, one for each column)."""
    active_prior: Annotated[float | None, Parameter(group=_model)] = None
    """Share of samples in which a sparse latent is expected to be active (default: 0.01, more for small data)."""
    n_dense: Annotated[int | None, Parameter(group=_model, converter=whole)] = None
    """Latents that are always on, for factors of all samples (default: up to 6; vsc and paper: none; vae: all)."""
    prior: Annotated[Literal["fixed", "per-class", "pseudo-inputs"] | None, Parameter(group=_model)] = None
    """What training expects of a sample: fixed, or learned from its class or from inputs like it."""
    n_pseudo_inputs: Annotated[int, Parameter(group=_model, converter=whole)] = 20
    """How many inputs the prior pseudo-inputs learns."""

    within: Annotated[float | None, Parameter(group=_objective)] = None
    """class-consistent: price of a nat by which a sample strays from its class."""
    between: Annotated[float | None, Parameter(group=_objective)] = None
    """class-consistent: price of a nat that the pattern tells about the class."""
    equivocation: Annotated[float | None, Parameter(group=_objective)] = None
    """class-consistent: price of a nat of doubt about the class that the pattern leaves."""
    sharing: Annotated[float | None, Parameter(group=_objective)] = None
    """class-consistent: 0 copies what classes have in common into each, 1 shares all."""
    pairwise: Annotated[float | None, Parameter(group=_objective)] = None
    """paper: weight λ of the class loss."""
    distance: Annotated[bool | None, Parameter(group=_objective, negative="")] = None
    """paper: Jensen-Shannon distance instead of divergence."""
    beta: Annotated[float | None, Parameter(group=_objective)] = None
    """vae: weight of the KL."""

    epochs: Annotated[int | None, Parameter(group=_training, converter=whole)] = None
    """Passes over the training data (default: 24, or as many as make 2,400 steps)."""
    batch_size: Annotated[int | None, Parameter(group=_training, converter=whole)] = None
    """Rows a step (default: fitted to the data, at most 250)."""
    learning_rate: Annotated[float | None, Parameter(group=_training)] = None
    """Of Adam (default: 0.0025)."""
    patience: Annotated[int | None, Parameter(group=_training, converter=whole)] = None
    """Stop after so many epochs without a better validation loss."""
    seed: Annotated[int, Parameter(group=_training, converter=whole)] = 0
    """Of the weights, the order of the data and every draw."""
    split_seed: Annotated[int | None, Parameter(group=_training, converter=whole)] = None
    """Of the split of a set that comes without one, as digits (default: --seed); to compare seeds, give all one."""
    precision: Annotated[Literal["32-true", "bf16-mixed"] | None, Parameter(group=_training)] = None
    """Numbers during training (default: bf16-mixed where the processor multiplies bfloat16 itself)."""
    compile: Annotated[bool | None, Parameter(group=_training, negative="")] = None
    """Compile the step: takes ten to twenty seconds and a C++ compiler, and pays in trainings of minutes."""
    accelerator: Annotated[Literal["auto", "cpu", "cuda", "mps"], Parameter(group=_training)] = "auto"
    """Where to train."""
    logger: Annotated[Literal["tensorboard", "mlflow", "wandb"] | None, Parameter(group=_training)] = None
    """Tell a tracker of history, settings and measures too: tensorboard and wandb below OUT, mlflow where it is set."""

    @property
    def training(self) -> dict[str, Any]:
        """What of it `fit` takes, but where it writes."""
        names = "epochs", "batch_size", "learning_rate", "seed", "patience", "precision", "compile", "accelerator"
        return {name: getattr(self, name) for name in names}


def check_source(
    name: str | None,
    label: str | None,
    objectives: Sequence[str],
    image_size: Sequence[int] | None = None,
    layer: str | None = None,
) -> None:
    """Refuse data, and the column of their classes, that are not there, before anything loads that takes seconds.

    And what is said of data where none are named.

    Raises:
        InputError: for these, and for a table without a label where an objective needs classes.
    """
    check_data(*filter(None, [name]), tables=True)
    if name is not None and is_table(name):
        from cospike.frames import check_table  # noqa: PLC0415  # NumPy, which a mistyped name does not need

        check_table(name, label, needs_label=bool({"class-consistent", "paper"} & {*objectives}))
    elif label is not None and (name is None or not is_file_of_data(name)):
        raise InputError(f"'--label' is for tables and arrays, got {label!r} for {name or 'mnist'}. Leave it out.")
    if layer is not None and (name is None or not is_cells(name)):
        raise InputError(f"'--layer' is for cells in an .h5ad file, got {layer!r} for {name or 'mnist'}. Leave it out.")
    if image_size is not None and name is None:
        got = " ".join(map(str, image_size))
        raise InputError(f"'--image-size' is for folders of pictures, got {got} for mnist. Leave it out.")


def model_settings(preset: str, n_latents: int, **own: Any) -> dict[str, Any]:
    """How the model that a preset is meant for differs from the defaults of `SparseVAE`; ``own`` ones, not None, first.

    >>> model_settings("vae", 60), model_settings("vsc", 60)
    ({'n_dense': 60}, {'n_dense': 0})
    """
    of_preset: dict[str, dict[str, Any]] = {
        "paper": {"n_dense": 0},
        "vsc": {"n_dense": 0},
        "vsc-pseudo-inputs": {"n_dense": 0, "prior": "pseudo-inputs"},
        "vae": {"n_dense": n_latents},
    }
    return of_preset.get(preset, {}) | {name: value for name, value in own.items() if value is not None}
