"""`Trainer`: the state of one training, the steps that advance it, and how it is saved and taken up again."""

import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from cospike import run_folders, runs
from cospike._errors import InputError, LostProcessError, TrainingWarning
from cospike._random import Noise, draw_noise
from cospike._types import UNLABELLED
from cospike.data import Dataset
from cospike.encoding import evaluating, rows_per_pass
from cospike.failures import Step, blame, name_failure, rows_at_fault
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.progress import Interrupt, TrainingDisplay
from cospike.run_state import pack, unpack
from cospike.schedule import Schedule, steps_per_epoch
from cospike.share import Share, sum_over_processes
from cospike.trackers import Tracker

_STEPS_PER_LOOK = 20  # how often a step is shown and checked for NaN: each look waits for the device
_OF_VALIDATION = 2**32 - 1  # instead of an epoch, in the key of its noise


@dataclass
class Trainer:
    """The state of one training, and the steps that advance it."""

    fabric: Fabric
    model: SparseVAE
    data: Dataset
    objective: Objective
    config: dict[str, Any]
    run: Path | None  # where to save; of several processes, the first alone does
    tracker: Tracker | None = None  # whom to hand each row of the history
    begun: bool = False  # whether the run folder is this training's already
    history: list[dict[str, Any]] = field(default_factory=list)
    epoch: int = 0
    step: int = 0  # within the epoch
    seconds: float = 0.0  # spent on the epoch before an interruption
    totals: dict[str, Tensor] = field(default_factory=dict)  # sums over the steps of the epoch, of this process
    unchecked: list[Step] = field(default_factory=list)  # the last few
    good: dict[str, Tensor] = field(default_factory=dict)  # the last weights known to be so
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0

    def __post_init__(self) -> None:
        self.training = self.config["training"]
        self.rank, self.n_processes = self.fabric.global_rank, self.fabric.world_size
        self.x, self.y = self.data.train.x.to(self.fabric.device), self.data.train.y.to(self.fabric.device)
        self.n_steps = steps_per_epoch(len(self.y), self.training["batch_size"])
        self.model.to(self.fabric.device)
        fused = self.fabric.device.type in ("cpu", "cuda")  # one pass over the weights: a sixth of a step at batch 250
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=self.training["learning_rate"], fused=fused)
        self.decay = Schedule(1.0, 0.0, begin=0.5)
        self.known = {"n_classes": self.data.n_classes, "all_labelled": not bool((self.y == UNLABELLED).any())}
        self.terms = self._terms
        if self.training.get("compile"):
            alike = len(self.y) % self.n_steps == 0
            self.terms = torch.compile(self._terms, dynamic=None if alike else True)

    def train(self, interrupt: Interrupt, display: TrainingDisplay) -> None:
        """Every epoch that is left.

        Raises:
            KeyboardInterrupt: if it was interrupted, after it is saved.
            LostProcessError: if another process is lost.
        """
        self.good = self._weights()
        try:
            self._train(interrupt, display)
        except LostProcessError as error:
            kept = f" {self.run} is saved up to epoch {self.epoch}; --resume goes on from there." if self.begun else ""
            raise LostProcessError(f"{error}{kept}") from error

    def _train(self, interrupt: Interrupt, display: TrainingDisplay) -> None:
        while self.epoch < self.training["epochs"] and not self._out_of_patience():
            started = time.perf_counter() - self.seconds
            self._epoch(interrupt, display)
            totals, stop = self._look(interrupt)
            if stop:
                self.seconds, self.totals = time.perf_counter() - started, totals
                self.save()
                raise KeyboardInterrupt(
                    "" if self.run is None else f"{self.run} is saved; --resume goes on from there."
                )
            row = {name: float(total) / self.n_steps for name, total in totals.items()}
            row |= self._validate()
            self.epoch, self.step, self.seconds, self.totals = self.epoch + 1, 0, 0.0, {}
            self.history.append({"epoch": self.epoch, "seconds": round(time.perf_counter() - started, 3), **row})
            self.good = self._weights()
            self._keep_best(row["validation_loss"])
            self.save()
            if self.tracker:
                self.tracker.log_row(self.history[-1])
            display.end_epoch(self.history[-1])
        if self.best:
            self.model.load_state_dict(self.best)

    def _epoch(self, interrupt: Interrupt, display: TrainingDisplay) -> None:
        """The steps of the epoch that are left; the order of the data depends on seed and epoch alone."""
        order_seed = int(np.random.SeedSequence([self.training["seed"], self.epoch]).generate_state(1)[0])
        order = torch.randperm(len(self.y), generator=torch.Generator().manual_seed(order_seed))
        batches = order.to(self.fabric.device).tensor_split(self.n_steps)  # equal to within one row: no runt at the end
        self.model.train()
        alone, stop = self.n_processes == 1, False
        while self.step < self.n_steps and not (interrupt.requested if alone else stop):
            parts = self.take_step(batches[self.step])
            self.totals |= {name: self.totals.get(name, 0.0) + part for name, part in parts.items()}
            self.step += 1
            self.unchecked.append(Step(self.step, batches[self.step - 1], parts))
            if self.step % _STEPS_PER_LOOK == 0:
                totals, stop = self._look(interrupt)
                means = {name: float(total) / self.step for name, total in totals.items()}
                display.show(self.epoch, self.step / self.n_steps, means)

    def take_step(self, rows: Tensor) -> dict[str, Tensor]:
        """One step on the training ``rows``, those of all processes; what this one contributes to its terms."""
        progress = (self.epoch * self.n_steps + self.step) / (self.training["epochs"] * self.n_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self.training["learning_rate"] * self.decay(progress)
        share, objective = self._share(len(rows)), self.objective
        rows = rows[share.rows.start : share.rows.stop]
        x, y = self.x.index_select(0, rows), self.y.index_select(0, rows)  # thrice as fast as x[rows]
        parts = self.terms(
            x,
            y,
            objective.annealed(self.model.prior().active_probs, progress),
            self._noise((self.training["seed"], self.epoch, self.step), share),
            share if self.n_processes > 1 else None,
            spikes=objective.spikes,
            sharpness=objective.sharpness(progress) if objective.spikes != "second-order" else 1.0,
            slab_share=objective.slab_warm_up(progress),
        )
        loss, parts = objective.priced(parts, progress)
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        if self.n_processes > 1:
            gradients = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
            for gradient, total in zip(gradients, sum_over_processes(*gradients), strict=True):
                gradient.copy_(total)
        self.optimizer.step()
        return {"loss": loss.detach(), **parts}

    def _share(self, n_rows: int) -> Share:
        return Share(n_rows, self.rank, self.n_processes)

    def _noise(self, key: tuple[int, ...], share: Share) -> Noise:
        return draw_noise(key, share.rows, int(share.n_rows), self.model.n_latents, like=self.model.prior.logits)

    def _terms(
        self, x: Tensor, y: Tensor, prior_probs: Tensor, noise: Noise, share: Share | None, **drawing: Any
    ) -> dict[str, Tensor]:
        """A step before its prices: all that is worth compiling, and nothing that changes with its number."""
        with self._autocast():
            output = self.model(x, y, noise=noise, **drawing)
        return self.objective.terms(output, x, y, prior_probs=prior_probs, share=share, **self.known)

    def _autocast(self) -> torch.autocast:
        """What Fabric's wrapper does, which also looks through all that goes in and comes out, for .1 ms a step."""
        mixed = self.training.get("precision") == "bf16-mixed"
        return torch.autocast(self.fabric.device.type, dtype=torch.bfloat16, enabled=mixed)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """The objective at full weight, with exact spikes, on the validation data; with the same noise every time."""
        totals: dict[str, Tensor] = {}
        split = self.data.validation
        prior_probs = self.model.prior().active_probs
        with evaluating(self.model):
            for part in torch.arange(len(split)).split(rows_per_pass(self.model.shape)):
                share = self._share(len(part))
                rows = part[share.rows.start : share.rows.stop]
                x, y = (part.index_select(0, rows).to(self.fabric.device) for part in (split.x, split.y))
                noise = self._noise((self.training["seed"], _OF_VALIDATION, int(part[0])), share)
                parts = self._terms(x, y, prior_probs, noise, share if self.n_processes > 1 else None)
                loss, parts = self.objective.priced(parts, 1.0)
                for name, value in {"loss": loss, **parts}.items():
                    totals[name] = totals.get(name, 0.0) + value.double() * len(part) / len(split)
        summed = self._sum(totals)
        self._refuse_nan(summed, "on validation data ")
        return {f"validation_{name}": float(total) for name, total in summed.items()}

    def _sum(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        """What all processes contribute."""
        if self.n_processes == 1 or not parts:
            return parts
        names = sorted(parts)  # a state is read in an order of its own, another one in each process
        sums = sum_over_processes(torch.stack([parts[name] for name in names]))[0].unbind()
        return dict(zip(names, sums, strict=True))

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

    def _look(self, interrupt: Interrupt) -> tuple[dict[str, Tensor], bool]:
        """The totals of the epoch so far, checked, and whether to stop: all processes look together.

        Of the steps since the last look, the first bad one tells which term failed.
        """
        asked = torch.tensor(float(interrupt.requested), device=self.fabric.device)
        totals = self._sum({"asked": asked, **self.totals})
        stop = bool(totals.pop("asked"))
        if not all(bool(total.isfinite()) for total in totals.values()):
            for step in self.unchecked:
                self._refuse_nan(self._sum(step.parts), step=step)
        self.unchecked.clear()
        return totals, stop

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
            run_folders.begin_run(self.run, self.config)
            self.begun = True
        runs.write_history(self.run, self.history)
        if not self.step:
            runs.save_tensors(self.run, "weights.safetensors", self.best or self.model.state_dict())
        tensors = pack(self.model, self.optimizer, best=self.best, totals=self.totals)
        names = ("epoch", "step", "best_epoch", "seconds", "n_processes")
        position = {name: str(getattr(self, name)) for name in names}
        runs.save_tensors(self.run, "state.safetensors", tensors, position)

    def _check_position(self) -> None:
        """Refuse a place that no training with these settings gets to."""
        ends = {"epoch": self.training["epochs"], "step": self.n_steps, "best_epoch": self.epoch if self.best else 0}
        for name, end in ends.items():
            if not 0 <= getattr(self, name) <= end:
                raise ValueError(f"its {name} is {getattr(self, name)}, of {end}")
        if not 0 <= self.seconds < float("inf"):
            raise ValueError("its seconds are no time")
        if len(self.history) < self.epoch or not all("validation_loss" in row for row in self.history):
            raise ValueError("history.jsonl beside it has not all of its epochs")

    def load(self, run: Path) -> None:
        """Take up where `save` left."""
        tensors, position = runs.read_tensors(run, "state.safetensors")

        try:
            self.epoch, self.step, self.best_epoch = (int(position[name]) for name in ("epoch", "step", "best_epoch"))
            self.seconds, n_processes = float(position["seconds"]), int(position["n_processes"])
            self.best, totals = unpack(tensors, self.model, self.optimizer)
            self.history = runs.read_history(run)[: self.epoch]
            self._check_position()
        except InputError:
            raise
        except (KeyError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{run / 'state.safetensors'} does not fit this training: {reason}.") from error
        if n_processes != self.n_processes and self.run and self.epoch < self.training["epochs"]:
            warnings.warn(
                f"{run} was saved by {n_processes} processes and goes on with {self.n_processes}: sums are taken in "
                "another order, so that it ends near what it would have been, not at the same bits.",
                TrainingWarning,
                stacklevel=3,
            )
        everywhere, self.begun = self._share(1), True
        self.totals = {name: everywhere.equal(total.to(self.fabric.device)) for name, total in totals.items()}
