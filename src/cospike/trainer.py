"""`Trainer`: the state of one training, the steps that advance it, and how it is saved and taken up again."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from cospike import runs
from cospike._errors import InputError
from cospike._random import private_random_state, random_state, set_random_state
from cospike._types import UNLABELLED
from cospike.data import Dataset
from cospike.encoding import ROWS_PER_PASS, evaluating
from cospike.failures import Step, blame, name_failure, rows_at_fault
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.progress import Interrupt, TrainingDisplay
from cospike.schedule import Schedule, steps_per_epoch

_STEPS_PER_CHECK = 20  # how often a step is shown and checked for NaN: each look waits for the device


@dataclass
class Trainer:
    """The state of one training, and the steps that advance it."""

    fabric: Fabric
    model: SparseVAE
    data: Dataset
    objective: Objective
    config: dict[str, Any]
    run: Path | None
    begun: bool = False  # whether the run folder is this training's already
    history: list[dict[str, Any]] = field(default_factory=list)
    epoch: int = 0
    step: int = 0  # within the epoch
    seconds: float = 0.0  # spent on the epoch before an interruption
    totals: dict[str, Tensor] = field(default_factory=dict)  # sums over the steps of the epoch
    unchecked: list[Step] = field(default_factory=list)  # the last few
    good: dict[str, Tensor] = field(default_factory=dict)  # the last weights known to be so
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    random: dict[str, Tensor] = field(default_factory=dict)  # of the interrupted epoch

    def __post_init__(self) -> None:
        self.training = self.config["training"]
        self.x, self.y = (part.to(self.fabric.device) for part in (self.data.train.x, self.data.train.y))
        self.n_classes = None if bool((self.y == UNLABELLED).any()) else self.data.n_classes
        self.n_steps = steps_per_epoch(len(self.y), self.training["batch_size"])
        fused = self.fabric.device.type in ("cpu", "cuda")  # one pass over the weights: a sixth of a step at batch 250
        optimizer = torch.optim.Adam(self.model.parameters(), lr=self.training["learning_rate"], fused=fused)
        _, self.optimizer = self.fabric.setup(self.model, optimizer)
        self.decay = Schedule(1.0, 0.0, begin=0.5)
        self.terms = self._terms
        if self.training.get("compile"):
            alike = len(self.y) % self.n_steps == 0
            random: dict[str, Any] = {"fallback_random": True}  # draws of the usual generator, whenever it is compiled
            self.terms = torch.compile(self._terms, dynamic=None if alike else True, options=random)

    def train(self, interrupt: Interrupt, display: TrainingDisplay) -> None:
        """Every epoch that is left."""
        self.good = self._weights()
        while self.epoch < self.training["epochs"] and not self._out_of_patience():
            started = time.perf_counter() - self.seconds
            self._epoch(interrupt, display)
            self._check_finite()
            if interrupt.requested:
                self.seconds = time.perf_counter() - started
                self.save()
                raise KeyboardInterrupt(
                    "" if self.run is None else f"{self.run} is saved; --resume goes on from there."
                )
            row = {name: float(total) / self.n_steps for name, total in self.totals.items()}
            row |= self._validate()
            self.epoch, self.step, self.seconds, self.totals = self.epoch + 1, 0, 0.0, {}
            self.history.append({"epoch": self.epoch, "seconds": round(time.perf_counter() - started, 3), **row})
            self.good = self._weights()
            self._keep_best(row["validation_loss"])
            self.save()
            display.end_epoch(self.history[-1])
        if self.best:
            self.model.load_state_dict(self.best)

    def _epoch(self, interrupt: Interrupt, display: TrainingDisplay) -> None:
        """The steps of the epoch that are left; the order of the data depends on seed and epoch alone."""
        order_seed, draw_seed = np.random.SeedSequence([self.training["seed"], self.epoch]).generate_state(2)
        order = torch.randperm(len(self.y), generator=torch.Generator().manual_seed(int(order_seed)))
        batches = order.to(self.fabric.device).tensor_split(self.n_steps)  # equal to within one row: no runt at the end
        if self.step:  # resumed within the epoch
            set_random_state(self.random)
        else:
            torch.manual_seed(int(draw_seed))
        self.model.train()
        while self.step < self.n_steps and not interrupt.requested:
            parts = self.take_step(batches[self.step])
            self.totals |= {name: self.totals.get(name, 0.0) + part for name, part in parts.items()}
            self.step += 1
            self.unchecked.append(Step(self.step, batches[self.step - 1], parts))
            if self.step % _STEPS_PER_CHECK == 0:
                self._check_finite()
                means = {name: float(total) / self.step for name, total in self.totals.items()}
                display.show(self.epoch, self.step / self.n_steps, means)

    def take_step(self, rows: Tensor) -> dict[str, Tensor]:
        """One step on the training ``rows``; its terms."""
        progress = (self.epoch * self.n_steps + self.step) / (self.training["epochs"] * self.n_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self.training["learning_rate"] * self.decay(progress)
        x, y = self.x.index_select(0, rows), self.y.index_select(0, rows)  # thrice as fast as x[rows]
        objective = self.objective
        parts = self.terms(
            x,
            y,
            objective.annealed(self.model.prior().active_probs, progress),
            sharpness=objective.sharpness(progress) if objective.spikes != "second-order" else 1.0,
            slab_share=objective.slab_warm_up(progress),
        )
        loss, parts = objective.priced(parts, progress)
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self.optimizer.step()
        return {"loss": loss.detach(), **parts}

    def _terms(
        self, x: Tensor, y: Tensor, prior_probs: Tensor, *, sharpness: float, slab_share: float
    ) -> dict[str, Tensor]:
        """A step before its prices: all that is worth compiling, and nothing that changes with its number."""
        objective = self.objective
        with self._autocast():
            output = self.model(x, y, spikes=objective.spikes, sharpness=sharpness, slab_share=slab_share)
        return objective.terms(output, x, y, prior_probs=prior_probs, n_classes=self.n_classes)

    def _autocast(self) -> torch.autocast:
        """What Fabric's wrapper does, which also looks through all that goes in and comes out, for .1 ms a step."""
        mixed = self.training.get("precision") == "bf16-mixed"
        return torch.autocast(self.fabric.device.type, dtype=torch.bfloat16, enabled=mixed)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """The objective at full weight, with exact spikes, on the validation data; its draws disturb no others."""
        totals: dict[str, float] = {}
        split = self.data.validation
        with private_random_state(self.training["seed"]), evaluating(self.model):
            for x, y in zip(split.x.split(ROWS_PER_PASS), split.y.split(ROWS_PER_PASS), strict=True):
                x, y = x.to(self.fabric.device), y.to(self.fabric.device)  # noqa: PLW2901
                with self._autocast():
                    output = self.model(x, y)
                loss, parts = self.objective(output, x, y)
                self._refuse_nan({"loss": loss, **parts}, "on validation data ")
                for name, part in {"loss": loss, **parts}.items():
                    totals[name] = totals.get(name, 0.0) + float(part) * len(x) / len(split)
        return {f"validation_{name}": total for name, total in totals.items()}

    def _keep_best(self, loss: float) -> None:
        if self.training["patience"] is None or self.epoch <= self.objective.warm_up.until * self.training["epochs"]:
            return
        past = [row["validation_loss"] for row in self.history[self.best_epoch - 1 : self.best_epoch]]
        if not past or loss < past[0]:
            self.best_epoch = self.epoch
            self.best = self.good

    def _weights(self) -> dict[str, Tensor]:
        return {name: part.detach().clone() for name, part in self.model.state_dict().items()}

    def _out_of_patience(self) -> bool:
        return bool(self.best_epoch) and self.epoch - self.best_epoch >= self.training["patience"]

    def _check_finite(self) -> None:
        """Look at the steps since the last look; the first bad one tells which term failed."""
        if not all(bool(total.isfinite()) for total in self.totals.values()):
            for step in self.unchecked:
                self._refuse_nan(step.parts, step=step)
        self.unchecked.clear()

    def _refuse_nan(self, parts: dict[str, Tensor], where: str = "", *, step: Step | None = None) -> None:
        """Stop, with the last good weights in the model, if a term is not finite."""
        if not (what := name_failure(parts)):
            return
        self.model.load_state_dict(self.good)
        weights, place, found = f"the weights of epoch {self.epoch}" if self.epoch else "those of the start", "", ""
        if step is not None:
            place = f", step {step.number} of {self.n_steps}"
            x, y = self.x.index_select(0, step.rows), self.y.index_select(0, step.rows)
            found = blame(step, rows_at_fault(self.model, x, y), weights) + " "
        kept = f"{self.run} keeps {weights}. " if self.run and self.epoch else ""
        raise FloatingPointError(
            f"{what} {where}in epoch {self.epoch + 1}{place}. {found}{kept}"
            f"Try a learning rate below {self.training['learning_rate']}."
        )

    def save(self) -> None:
        """Write history, weights and then the state, which alone decides where a resumed run goes on."""
        if self.run is None:
            return
        if not self.begun:  # what it replaces stays until there is something to put in its place
            runs.begin_run(self.run, self.config)
            self.begun = True
        runs.write_history(self.run, self.history)
        if not self.step:
            runs.save_tensors(self.run, "weights.safetensors", self.best or self.model.state_dict())
        optimizer = self.optimizer.state_dict()["state"]
        tensors = {
            **{f"model.{name}": part for name, part in self.model.state_dict().items()},
            **{f"best.{name}": part for name, part in self.best.items()},
            **{f"optimizer.{i}.{name}": part for i, state in optimizer.items() for name, part in state.items()},
            **{f"totals.{name}": part for name, part in self.totals.items()},
            **{f"random.{name}": part for name, part in random_state().items()},
        }
        position = {name: str(getattr(self, name)) for name in ("epoch", "step", "best_epoch", "seconds")}
        runs.save_tensors(self.run, "state.safetensors", tensors, position)

    def load(self) -> None:
        """Take up where `save` left."""
        assert self.run is not None
        tensors, position = runs.read_tensors(self.run, "state.safetensors")

        def part(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

        try:
            self.epoch, self.step, self.best_epoch = (int(position[name]) for name in ("epoch", "step", "best_epoch"))
            self.seconds = float(position["seconds"])
            weights = part("model.")
            self.model.resize_class_patterns(len(weights["pattern_counts"]))
            self.model.dense_axes = None  # a state is of before the turn
            self.model.load_state_dict(weights)
            moments: dict[int, dict[str, Tensor]] = {}
            for name, tensor in part("optimizer.").items():
                index, _, key = name.partition(".")
                moments.setdefault(int(index), {})[key] = tensor
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        except (KeyError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{self.run / 'state.safetensors'} does not fit this training: {reason}.") from error
        self.best, self.random, self.begun = part("best."), part("random."), True
        self.totals = {name: total.to(self.fabric.device) for name, total in part("totals.").items()}
        self.history = runs.read_history(self.run)[: self.epoch]
