"""Commands that take a finished run somewhere: export, encode, generate, push. They join the app of `cospike.cli`."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from cospike._errors import InputError
from cospike.choices import check_runs
from cospike.cli import app, note
from cospike.options import SplitName

_Flag = Parameter(negative="")


@app.command
def export(run: Path, *, onnx: Annotated[bool, _Flag] = False, out: Path | None = None) -> None:
    """Write the encoder and the decoder of RUN for use without Python, once they are found to compute the same.

    Try `cospike export runs/digits --onnx`: it prints the paths of encoder.onnx and decoder.onnx.

    Args:
        run: The folder of a run.
        onnx: As ONNX files, which ONNX Runtime reads everywhere, in a browser too.
        out: The folder for them (default: onnx in RUN).
    """
    check_runs((run,))
    if not onnx:
        raise InputError("cospike export must be told the format: --onnx.")
    from cospike.deployment import TOLERANCE, export_onnx
    from cospike.progress import working

    with working(f"exporting {run}"):
        exported = export_onnx(run, out=out)
    note(f"opset {exported.opset}; within {exported.difference:.1g} of PyTorch, where {TOLERANCE:.0e} is allowed")
    print(exported.encoder)
    print(exported.decoder)


@app.command
def encode(
    run: Path,
    data: str,
    *,
    out: Path,
    split: SplitName | None = None,
    split_seed: int | None = None,
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> None:
    """Encode DATA with the model of RUN: a row a sample, a column a latent, exactly 0 where it is off.

    Try `cospike encode runs/digits digits --out codes.csv`, or `images.npy` for data, which is read part by part.

    Args:
        run: The folder of a run.
        data: mnist, fashion-mnist, digits, shapes, sparse-linear, a folder of IDX files, or an .npy file of samples.
        out: A file: .parquet or .csv for a table with id, split, label and the latents; .npz for all that `Codes` has.
        split: Which rows, of data that have splits (default: all).
        split_seed: Of the split of a set that comes without one (default: the seed of RUN).
        accelerator: Where to compute.
    """
    check_runs((run,))
    from cospike.code_files import write_codes

    remark = write_codes(run, data, out, split=split, split_seed=split_seed, accelerator=accelerator)
    if remark:
        note(f"cospike: {remark}")
    print(out)


@app.command
def generate(
    run: Path,
    *,
    label: str | None = None,
    set: Annotated[tuple[str, ...], Parameter(negative="")] = (),  # noqa: A002
    n: int | None = None,
    seed: int = 0,
    out: Path | None = None,
) -> None:
    """Draw samples from the model of RUN, of all classes or of one, with any latent set by hand.

    Try `cospike generate runs/digits --label 3 --set 12=1.5`, or `--set 12=-2:2:9` to see a latent go from −2 to 2.

    Args:
        run: The folder of a run.
        label: Name or index of a class (default: from the prior).
        set: LATENT=VALUE, where 0 switches it off; may be repeated. One latent may have several values:
            LATENT=FROM:TO:STEPS, or LATENT=A,B,C.
        n: How many samples (default: 16, or 4 where a latent has several values).
        seed: Of the draw.
        out: A file: .png, .csv or .npz (default: samples.png in RUN, or samples.csv where samples are no images).
    """
    check_runs((run,))
    from cospike.sample_files import parse_settings, write_samples

    print(write_samples(run, label=label, set=parse_settings(set), n=n, seed=seed, out=out))


@app.command
def push(
    run: Path,
    repo: str,
    *,
    private: Annotated[bool, _Flag] = False,
    without_samples: Annotated[bool, _Flag] = False,
    license: str | None = None,  # noqa: A002
) -> None:
    """Share RUN on the Hugging Face hub, with a model card written from it; `cospike.load` takes what is printed.

    Try `cospike push runs/digits user/digits --private`, after `hf auth login` or with HF_TOKEN set.

    Args:
        run: The folder of a finished run.
        repo: USER/NAME; made if it is not there.
        private: Make it so that only you see it.
        without_samples: Leave out the report and the previews, which show samples of the data. Codes and labels go in
            any case.
        license: Of the model, by the hub's short name, such as apache-2.0 (default: the card names none).
    """
    check_runs((run,))
    from cospike.hub import push_to_hub
    from cospike.progress import working

    with working(f"pushing {run}"):
        address = push_to_hub(run, repo, private=private or None, samples=not without_samples, license=license)
    print(address)
