"""`export_onnx()`: encoder and decoder as ONNX files that need no Python, checked against the model they are of.

encoder.onnx    x [batch, *shape] → active_probs, slab_loc, slab_scale, code, each [batch, latent]
decoder.onnx    code [batch, latent] → mean [batch, *shape]

Numbers are float32, the batch is of any size, and each file has all that it needs in it. A code is the slab's mean
where active_probs is above the threshold, and exactly 0 elsewhere. What a reader of the files may want to know stands
in their metadata: `cospike` (the version), `class_names`, `shape`, `likelihood`, `n_latents`, `n_dense`, `threshold`;
what is no text there is JSON.
"""

import json
import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, config
from torch import Tensor, nn

from cospike import runs
from cospike._extras import need
from cospike._files import write_atomic
from cospike._reading import refuse_links
from cospike._version import __version__
from cospike.codes import ACTIVE_THRESHOLD
from cospike.folders import made
from cospike.generation import draw_codes
from cospike.held_out import read_previews
from cospike.model import SparseVAE

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 20
"""The version of ONNX's operators; ONNX Runtime has it from 1.17 on, in the browser too."""

TOLERANCE = 1e-5
"""How far ONNX Runtime may be from PyTorch: of values up to 1 the difference, of larger ones its share."""

_ENCODED = ("active_probs", "slab_loc", "slab_scale", "code")
_BATCHES = (1, 3, 257)  # what is checked: no batch that it was exported with


@dataclass(frozen=True)
class OnnxExport:
    """What `export_onnx` wrote.

    Attributes:
        encoder: the file.
        decoder: the file.
        opset: version of the operators.
        difference: the largest one between ONNX Runtime and PyTorch that was found, as `TOLERANCE` counts it.
    """

    encoder: Path
    decoder: Path
    opset: int
    difference: float


def export_onnx(run: str | Path, *, out: str | Path | None = None) -> OnnxExport:
    """Write the encoder and the decoder of a run as ONNX files, once ONNX Runtime computes with them what PyTorch does.

    Args:
        run: the folder of a finished run.
        out: a folder for both; default: `onnx` in the run.

    Raises:
        InputError: if the folder is no run, or the extra `onnx` is missing.
        FloatingPointError: if the two differ by more than `TOLERANCE`; nothing is written then.
    """
    need("onnx", ("onnx", "onnxscript", "onnxruntime"), of="export_onnx")
    run = Path(run)
    if out is None:
        refuse_links(run / "onnx")
    model = runs.load(run).cpu()
    encoder, encoder_difference = _checked(
        "encoder.onnx", model, _Encoder(model), ("x", _rows(model, run)), outputs=_ENCODED
    )
    decoder, decoder_difference = _checked_decoder(model)
    folder = run / "onnx" if out is None else Path(out)
    with made(folder):
        write_atomic(folder / "encoder.onnx", encoder)
        write_atomic(folder / "decoder.onnx", decoder)
    difference = max(encoder_difference, decoder_difference)
    return OnnxExport(folder / "encoder.onnx", folder / "decoder.onnx", OPSET, difference)


def decoder_bytes(model: SparseVAE) -> bytes:
    """The file `decoder.onnx` of a model, once ONNX Runtime computes with it what PyTorch does; nothing is written.

    The extra `onnx` must be there, and the model on the CPU.

    Raises:
        FloatingPointError: if the two differ by more than `TOLERANCE`.
    """
    content, _ = _checked_decoder(model)
    return content


def _checked_decoder(model: SparseVAE) -> tuple[bytes, float]:
    codes = draw_codes(model, max(_BATCHES))
    return _checked("decoder.onnx", model, _Decoder(model), ("code", codes), outputs=("mean",))


def _checked(
    name: str, model: SparseVAE, module: nn.Module, given: tuple[str, Tensor], *, outputs: tuple[str, ...]
) -> tuple[bytes, float]:
    """A file, and the largest difference from the module that it is of."""
    content = _to_bytes(_exported(module, *given, outputs), _metadata(model))
    return content, _check(name, content, module, given, outputs)


class _Encoder(nn.Module):
    """From observations to what is known of their latents."""

    def __init__(self, model: SparseVAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        q = self.model.encode(x)
        on = q.active_probs > ACTIVE_THRESHOLD
        return q.active_probs, q.loc, q.scale, torch.where(on, q.loc, torch.zeros_like(q.loc))


class _Decoder(nn.Module):
    """From codes to the means of their likelihoods."""

    def __init__(self, model: SparseVAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, code: Tensor) -> Tensor:
        mean: Tensor = self.model.decode(code).mean
        return mean


def _exported(module: nn.Module, name: str, rows: Tensor, outputs: tuple[str, ...]) -> "ModelProto":
    with _traceable(), torch.no_grad():
        program = torch.onnx.export(
            module.eval(),
            (rows[:2],),
            dynamo=True,
            input_names=[name],
            output_names=list(outputs),
            dynamic_shapes=({0: "batch"},),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    if program is None:  # what torch's signature allows
        raise RuntimeError("torch.onnx.export gave no program")
    return program.model_proto


@contextmanager
def _traceable() -> Iterator[None]:
    """Without checks of shapes, which would fix the batch's size, where someone has switched them on.

    And without what the exporter says of its own old functions, and of libraries that it does without.
    """
    logger, checked = logging.getLogger("torch.onnx"), not config.jaxtyping_disable
    level = logger.level
    logger.setLevel(logging.ERROR)
    config.update("jaxtyping_disable", True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        config.update("jaxtyping_disable", not checked)
        logger.setLevel(level)


def _to_bytes(exported: "ModelProto", metadata: Mapping[str, str]) -> bytes:
    """The file, without what the exporter notes of the source, which names folders of this machine."""
    graph = exported.graph
    for part in (exported, graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    exported.producer_name, exported.producer_version = "cospike", __version__
    for key, value in metadata.items():
        exported.metadata_props.add(key=key, value=value)
    if (opset := {entry.domain: entry.version for entry in exported.opset_import}) != {"": OPSET}:
        raise RuntimeError(f"torch.onnx.export took the operators {opset} instead of {OPSET}")
    return bytes(exported.SerializeToString(deterministic=True))


def _metadata(model: SparseVAE) -> dict[str, str]:
    likelihood = model.settings["likelihood"]
    return {
        "cospike": __version__,
        "class_names": json.dumps(list(model.class_names)),
        "shape": json.dumps(list(model.shape)),
        "likelihood": likelihood if isinstance(likelihood, str) else json.dumps(likelihood),
        "n_latents": json.dumps(model.n_latents),
        "n_dense": json.dumps(model.n_dense),
        "threshold": json.dumps(ACTIVE_THRESHOLD),
    }


def _rows(model: SparseVAE, run: Path) -> Float[Tensor, "sample *event"]:
    """Observations to check with: held-out ones of the run, of all classes as far as it keeps any, and noise."""
    generator = torch.Generator().manual_seed(0)
    likelihood, shape = model.settings["likelihood"], (max(_BATCHES), *model.shape)
    noise = (torch.rand if likelihood == "bernoulli" else torch.randn)(shape, generator=generator)
    if likelihood == "negative-binomial":
        noise = noise.exp().round()
    if not (run / "previews.npz").is_file():
        return noise
    kept = torch.as_tensor(read_previews(run, model.shape)["x"], dtype=torch.float32)
    every = max(1, math.ceil(len(kept) / (max(_BATCHES) // 2)))  # they come class by class
    return torch.cat([kept[::every], noise])[: max(_BATCHES)]


def _check(name: str, content: bytes, module: nn.Module, given: tuple[str, Tensor], outputs: tuple[str, ...]) -> float:
    """The largest difference between the file in ONNX Runtime and the module, over batches of several sizes."""
    import onnxruntime  # noqa: PLC0415  # an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for n in _BATCHES:
        rows = given[1][:n]
        with torch.no_grad():
            expected = module(rows)
        expected = dict(zip(outputs, (expected,) if isinstance(expected, Tensor) else expected, strict=True))
        found = dict(zip(outputs, session.run(list(outputs), {given[0]: rows.numpy()}), strict=True))
        for output, difference in _differences({key: part.numpy() for key, part in expected.items()}, found).items():
            if not difference <= TOLERANCE:
                raise FloatingPointError(
                    f"{name} in ONNX Runtime {onnxruntime.__version__} must be within {TOLERANCE} of PyTorch, got "
                    f"{difference:.2g} in {output} of a batch of {n}. Nothing was written."
                )
            worst = max(worst, difference)
    return worst


def _differences(expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The largest difference in each output; a code may be on or off where its probability is at the threshold."""
    differences = {}
    for name, values in expected.items():
        if values.shape != found[name].shape:
            differences[name] = float("inf")
            continue
        error = np.abs(found[name] - values) / np.maximum(np.abs(values), 1.0)
        if name == "code":
            error = error[np.abs(expected["active_probs"] - ACTIVE_THRESHOLD) > TOLERANCE]
        differences[name] = float(error.max(initial=0.0))
    return differences
