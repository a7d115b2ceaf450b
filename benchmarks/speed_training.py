"""How fast `fit` trains: against pythae's VAE of the same widths, and against the machine's rate of matrix products.

    pip install pythae==0.1.2
    python benchmarks/speed_training.py [--only steps epochs command] [--batches 128 512] [--turns 3]

MNIST, 784-400-3×200 / 200-400-784, in memory. *Epochs*: `fit` with everything that it does by default (class terms,
validation, history, checkpoints, the run folder) and pythae with its defaults, without validation; (seconds of six
epochs − seconds of one) / 5, in turns, the first of which is not counted. *Steps*: operations of a step by its layers,
over its time, against the best rate of matrix products in the same run, over 2048³ and the step's own shapes.
*Command*: the whole of `cospike train`, report included, and of a script with pythae, at 20 epochs.
"""

import argparse
import contextlib
import io
import logging
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from timing import machine, ratio, take_turns

import cospike as cs
from cospike.data import Dataset
from cospike.train import default_training
from cospike.trainer import Trainer

N_LATENTS, HIDDEN = 200, 400
WARM_UP_STEPS, STEPS, REPEATS = 10, 40, 20
WAYS: dict[str, dict[str, Any]] = {
    "float32": {"precision": "32-true"},
    "float32, compiled": {"precision": "32-true", "compile": True},
    "bfloat16": {"precision": "bf16-mixed"},
    "bfloat16, compiled": {"precision": "bf16-mixed", "compile": True},
}


def fit_cospike(data: Dataset, epochs: int, *, batch_size: int, way: str) -> None:
    """What a user of cospike gets, into a folder that is thrown away."""
    model = cs.SparseVAE(data.shape, N_LATENTS, hidden=(HIDDEN,))
    with tempfile.TemporaryDirectory() as out:
        settings = {"epochs": epochs, "batch_size": batch_size, "out": Path(out) / "run", "progress": False}
        cs.fit(model, data, **settings, **WAYS[way])


def fit_pythae(data: Dataset, epochs: int, *, batch_size: int) -> None:
    """What a user of pythae gets: its trainer and defaults, with networks of the same widths."""
    from pythae.models import VAE, VAEConfig  # noqa: PLC0415  # only this comparison needs it
    from pythae.models.base.base_utils import ModelOutput  # noqa: PLC0415
    from pythae.models.nn import BaseDecoder, BaseEncoder  # noqa: PLC0415
    from pythae.pipelines import TrainingPipeline  # noqa: PLC0415
    from pythae.trainers import BaseTrainerConfig  # noqa: PLC0415

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, HIDDEN), torch.nn.ReLU())
            self.loc, self.log_var = torch.nn.Linear(HIDDEN, N_LATENTS), torch.nn.Linear(HIDDEN, N_LATENTS)

        def forward(self, x: torch.Tensor) -> ModelOutput:
            features = self.trunk(x)
            return ModelOutput(embedding=self.loc(features), log_covariance=self.log_var(features))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            layers = (
                torch.nn.Linear(N_LATENTS, HIDDEN),
                torch.nn.ReLU(),
                torch.nn.Linear(HIDDEN, 784),
                torch.nn.Sigmoid(),
            )
            self.trunk = torch.nn.Sequential(*layers)

        def forward(self, z: torch.Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.trunk(z).view(-1, 1, 28, 28))

    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=N_LATENTS, reconstruction_loss="bce")
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stderr(io.StringIO()):
        training = BaseTrainerConfig(output_dir=out, num_epochs=epochs, per_device_train_batch_size=batch_size)
        TrainingPipeline(VAE(config, Encoder(), Decoder()), training)(data.train.x)


def epoch_seconds(long: np.ndarray, short: np.ndarray) -> np.ndarray:
    """Of one epoch, from trainings of six and of one."""
    return (long - short) / 5


def compare_epochs(data: Dataset, batch_size: int, turns: int) -> None:
    """A row for each way to train."""
    fits = {f"cospike, {way}": partial(fit_cospike, batch_size=batch_size, way=way) for way in WAYS}
    fits["pythae"] = partial(fit_pythae, batch_size=batch_size)
    seconds = take_turns(
        {f"{name} {n}": partial(fit, data, n) for name, fit in fits.items() for n in (6, 1)}, turns=turns
    )
    epochs = {name: epoch_seconds(seconds[f"{name} 6"], seconds[f"{name} 1"]) for name in fits}
    for name, values in epochs.items():
        print(f"| {batch_size} | {name} | {np.median(values):.2f} s | {ratio(epochs['pythae'], values)} |", flush=True)


def operations(widths: Sequence[tuple[int, int]], batch_size: int) -> int:
    """Floating-point operations of a step: forward, and two products back but for the first layer's one."""
    return 2 * batch_size * (3 * sum(a * b for a, b in widths) - widths[0][0] * widths[0][1])


def product_rates(widths: Sequence[tuple[int, int]], batch_size: int, dtype: torch.dtype) -> list[float]:
    """Operations a second of 2048³ and of the step's shapes, a value a repeat."""
    shapes = [(2048, 2048, 2048), *((batch_size, a, b) for a, b in widths)]
    factors = [(torch.rand(n, a, dtype=dtype), torch.rand(a, b, dtype=dtype)) for n, a, b in shapes]
    rates = []
    for left, right in factors:
        start = perf_counter()
        torch.mm(left, right)
        rates.append(2 * len(left) * right.numel() / (perf_counter() - start))
    return rates


def make_stepper(data: Dataset, batch_size: int, preset: str, way: str) -> Trainer:
    """A training that takes steps on request."""
    model = cs.SparseVAE(data.shape, N_LATENTS, hidden=(HIDDEN,), n_dense={"vsc": 0}.get(preset))
    fabric = Fabric(accelerator="cpu", devices=1, precision=WAYS[way]["precision"])
    training = default_training(len(data.train), batch_size=batch_size) | {"seed": 0} | WAYS[way]
    return Trainer(fabric, model, data, cs.Objective.preset(preset), {"training": training}, None)


class PlainStepper:
    """The same layers and optimizer with nothing between and nothing to win: what a step cannot be faster than."""

    def __init__(self, batch_size: int, way: str) -> None:
        linear, relu = torch.nn.Linear, torch.nn.ReLU
        self.encoder = torch.nn.Sequential(linear(784, HIDDEN), relu(), linear(HIDDEN, 3 * N_LATENTS))
        self.decoder = torch.nn.Sequential(linear(N_LATENTS, HIDDEN), relu(), linear(HIDDEN, 784))
        self.model = torch.nn.ModuleList([self.encoder, self.decoder])
        self.optimizer = torch.optim.Adam(self.model.parameters(), fused=True)
        self.autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled="bf" in way)
        self.x = torch.rand(batch_size, 784)

    def take_step(self, rows: torch.Tensor) -> None:
        """On the same rows every time."""
        with self.autocast:
            features = self.encoder(self.x)
            decoded = self.decoder(features[:, :N_LATENTS])
        self.optimizer.zero_grad()
        (decoded.float().sum() + features[:, N_LATENTS:].float().sum()).backward()
        self.optimizer.step()


def compare_steps(data: Dataset, batch_size: int, way: str) -> None:
    """A row each: time of a step, its rate, and the share of the limit; products and steps take turns."""
    steppers: dict[str, Trainer | PlainStepper] = {}
    if "compile" not in WAYS[way]:
        steppers["layers alone"] = PlainStepper(batch_size, way)
    steppers |= {preset: make_stepper(data, batch_size, preset, way) for preset in ("vsc", "class-consistent")}
    order = torch.randperm(len(data.train)).split(batch_size)
    rates, times = [], {preset: [] for preset in steppers}
    for repeat in range(-1, REPEATS):
        for preset, trainer in steppers.items():
            layers = [module for module in trainer.model.modules() if isinstance(module, torch.nn.Linear)]
            widths = [(layer.in_features, layer.out_features) for layer in layers]
            rates += product_rates(widths, batch_size, torch.bfloat16 if "bf" in way else torch.float32)
            for rows in order[: WARM_UP_STEPS if repeat < 0 else STEPS]:
                start = perf_counter()
                trainer.take_step(rows)
                times[preset] += [perf_counter() - start] * (repeat >= 0)
    for preset, seconds in times.items():
        step = float(np.median(seconds))
        rate, limit = operations(widths, batch_size) / step / 1e9, max(rates) / 1e9
        how = f"{batch_size} | {preset} | {way} | {1e3 * step:.2f} ms"
        print(f"| {how} | {rate:.0f} | {limit:.0f} | {rate / limit:.2f} |", flush=True)


def compare_commands(batch_size: int, turns: int) -> None:
    """A row: the whole of twenty epochs from the shell, start and report of the run included."""
    pythae = (
        "import sys; sys.path.insert(0, sys.argv[1]); import cospike as cs; from speed_training import fit_pythae; "
        f"fit_pythae(cs.load_dataset('mnist'), 20, batch_size={batch_size})"
    )
    with tempfile.TemporaryDirectory() as out:
        settings = f"--epochs 20 --batch-size {batch_size} --n-latents {N_LATENTS} --hidden {HIDDEN} --overwrite"
        ours = [sys.executable, "-m", "cospike", "train", "mnist", "--out", f"{out}/run", *settings.split()]
        theirs = [sys.executable, "-c", pythae, str(Path(__file__).parent)]
        run = partial(subprocess.run, check=True, capture_output=True)
        seconds = take_turns({"cospike": partial(run, ours), "pythae": partial(run, theirs)}, turns=turns, warm_up=0)
    ours_s, theirs_s = (np.median(seconds[name]) for name in ("cospike", "pythae"))
    print(
        f"| {batch_size} | {ours_s:.1f} s | {theirs_s:.1f} s | {ratio(seconds['pythae'], seconds['cospike'])} |",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", choices=("epochs", "steps", "command"), nargs="+", default=["steps", "epochs"])
    given = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    data = cs.load_dataset("mnist")
    print(machine())
    if "steps" in given.only:
        print("\n| batch | objective | numbers | a step | GFLOP/s | limit | share |\n|---|---|---|---|---|---|---|")
        for batch_size in given.batches:
            for way in WAYS:
                compare_steps(data, batch_size, way)
    if "epochs" in given.only:
        print("\n| batch | | an epoch | pythae's over it |\n|---|---|---|---|")
        for batch_size in given.batches:
            compare_epochs(data, batch_size, given.turns)
    if "command" in given.only:
        print("\n| batch | cospike | pythae | ratio |\n|---|---|---|---|")
        for batch_size in given.batches:
            compare_commands(batch_size, given.turns)


if __name__ == "__main__":
    main()
