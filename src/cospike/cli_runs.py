"""Commands that take a finished run somewhere, from its report to the hub. They join the app of `cospike.cli`."""

import math
import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from cospike._errors import InputError
from cospike.choices import check_runs
from cospike.cli import app, note
from cospike.options import SplitName
from cospike.results import Result, of_files

_LARGE_PAGE = 50.0  # megabytes

_Flag = Parameter(negative="")


@app.command
def report(
    run: Path, *, compare: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="")] = ()
) -> Result:
    """Write the report of RUN, from its folder alone, and print its path.

    ```
    cospike report runs/digits
    cospike report runs/mnist/class-consistent --compare runs/mnist/vsc
    ```

    Args:
        run: The folder of a run.
        compare: Other runs, whose measures stand beside.
    """
    check_runs((run, *compare))
    from cospike.html_report import report as write_report

    return of_files(report=write_report(run, compare=compare))


@app.command
def explore(run: Path, *, out: Path | None = None, no_open: Annotated[bool, _Flag] = False) -> Result:
    """Write the explorer of RUN, a live page that needs no server and no network, print its path, and open it.

    On it you switch the latents of a sample, move them, and see at once what each of them changes. It is one file, and
    may be sent to others: the model's decoder and the held-out samples that RUN keeps are in it.

    ```
    cospike explore runs/digits
    cospike explore runs/mnist --out mnist.html --no-open
    ```

    Args:
        run: The folder of a run.
        out: A file for the page (default: explorer.html in RUN, to which its report then links).
        no_open: Do not open it in a browser, as is done where the output is a terminal.
    """
    check_runs((run,))
    from cospike.html_explorer import explore as write_explorer
    from cospike.progress import working

    with working(f"writing the explorer of {run}"):
        page = write_explorer(run, out=out)
    size = page.stat().st_size / 1e6
    note(f"{size:.1f} MB" + (f", more than browsers like: {_why_large(run)}" if size > _LARGE_PAGE else ""))
    files = of_files(explorer=page)

    def show() -> None:
        files.show()
        if sys.stdout.isatty() and _has_screen() and not no_open:
            sys.stdout.flush()
            webbrowser.open(page.resolve().as_uri())

    return files._replace(show=show)


def _has_screen() -> bool:
    """Whether a browser can show the page: without a screen, one for terminals would take this one."""
    names = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in names)


def _why_large(run: Path) -> str:
    """What most of a large page is."""
    from cospike.runs import read_config

    settings = read_config(run)["model"]
    return (
        f"its decoder gives {math.prod(settings['shape']):,} values a sample. Fewer genes, columns or pixels, or a "
        "narrower --hidden, make it smaller."
    )


@app.command
def measure(
    run: Path,
    *,
    factors: Annotated[bool, _Flag] = False,
    seeds: Annotated[tuple[Path, ...], Parameter(consume_multiple=(1, None), negative="")] = (),
    disentanglement: Annotated[bool, _Flag] = False,
    group: Annotated[tuple[str, ...], Parameter(consume_multiple=(1, None), negative="")] = (),
    baseline: Path | None = None,
) -> Result:
    """Measure the held-out codes of RUN, from its folder alone.

    ```
    cospike measure runs/digits --factors
    cospike measure runs/digits --disentanglement --json
    cospike measure runs/fashion --group Sandal Sneaker "Ankle boot"
    ```

    Args:
        run: The folder of a run.
        factors: Print the factor table too: whom each latent serves, what it goes with, and what it changes; and which
            directions of the always-on latents follow an attribute.
        seeds: Folders of runs with other seeds: which latents of RUN come back in them. Implies --factors.
        disentanglement: Hold the codes against the measured attributes: MIG, DCI, InfoMEC and more, from three sides.
        group: Names of classes: do they share more latents than chance? As in `--group Sandal Sneaker "Ankle boot"`.
        baseline: The folder of another run, such as plain VSC: do they share more than there?
    """
    check_runs((run, *seeds, *filter(None, [baseline])))
    from cospike.evaluation import save
    from cospike.inspection import inspect_run
    from cospike.progress import working
    from cospike.tables import print_inspection

    with working(f"measuring {run}"):
        inspection = inspect_run(run, seeds=seeds, disentanglement=disentanglement, group=group, baseline=baseline)
    try:
        save(run, inspection.evaluation)
    except OSError as error:
        note(f"cospike: {error.filename or run} stays as it was: {error.strerror}.")
    return Result(inspection.to_dict(), lambda: print_inspection(run.resolve().name, inspection, factors=factors))


@app.command
def export(run: Path, *, onnx: Annotated[bool, _Flag] = False, out: Path | None = None) -> Result:
    """Write the encoder and the decoder of RUN for use without Python, once they are found to compute the same.

    ```
    cospike export runs/digits --onnx
    ```

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
    values = {"opset": exported.opset, "difference": exported.difference}
    files = of_files(encoder=exported.encoder, decoder=exported.decoder)
    return files._replace(values=files.values | values)


@app.command
def encode(
    run: Path,
    data: str,
    *,
    out: Path,
    label: str | None = None,
    layer: str | None = None,
    split: SplitName | None = None,
    split_seed: int | None = None,
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> Result:
    """Encode DATA with the model of RUN: a row a sample, a column a latent, exactly 0 where it is off.

    ```
    cospike encode runs/digits digits --out codes.csv
    cospike encode runs/mnist images.npy --out codes.parquet
    ```

    Args:
        run: The folder of a run.
        data: mnist, fashion-mnist, digits, shapes, sparse-linear, a folder of IDX files or of pictures, an .npy file of
            samples, or a table or cells (.h5ad) with the columns or genes that RUN was trained on.
        out: A file: .parquet or .csv for a table with id, split, label and the latents; .npz for all that `Codes` has.
        label: Of a table or of cells, the column that names the classes; of an .npy file, that of the labels (default:
            no row has a class).
        layer: Of cells, the layer that holds the counts (default: X).
        split: Which rows, of data that have splits (default: all).
        split_seed: Of the split of a set that comes without one (default: the seed of RUN).
        accelerator: Where to compute.
    """
    check_runs((run,))
    from cospike.code_files import write_codes

    remark = write_codes(
        run, data, out, label=label, layer=layer, split=split, split_seed=split_seed, accelerator=accelerator
    )
    if remark:
        note(f"cospike: {remark}")
    return of_files(codes=out)


@app.command
def generate(
    run: Path,
    *,
    label: str | None = None,
    set: Annotated[tuple[str, ...], Parameter(negative="")] = (),  # noqa: A002
    n: int | None = None,
    seed: int = 0,
    out: Path | None = None,
) -> Result:
    """Draw samples from the model of RUN, of all classes or of one, with any latent set by hand.

    The second shows a latent go from −2 to 2.

    ```
    cospike generate runs/digits --label 3 --set 12=1.5
    cospike generate runs/digits --set 12=-2:2:9
    ```

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

    return of_files(samples=write_samples(run, label=label, set=parse_settings(set), n=n, seed=seed, out=out))


@app.command
def push(
    run: Path,
    repo: str,
    *,
    private: Annotated[bool, _Flag] = False,
    without_samples: Annotated[bool, _Flag] = False,
    license: str | None = None,  # noqa: A002
) -> Result:
    """Share RUN on the Hugging Face hub, with a model card written from it; `cospike.load` takes what is printed.

    It needs `hf auth login` first, or HF_TOKEN.

    ```
    cospike push runs/digits user/digits --private
    ```

    Args:
        run: The folder of a finished run.
        repo: USER/NAME; made if it is not there.
        private: Make it so that only you see it.
        without_samples: Leave out the report, the explorer and the previews, which show samples of the data. Codes and
            labels go in any case.
        license: Of the model, by the hub's short name, such as apache-2.0 (default: the card names none).
    """
    check_runs((run,))
    from cospike.hub import push_to_hub
    from cospike.progress import working

    with working(f"pushing {run}"):
        address = push_to_hub(run, repo, private=private or None, samples=not without_samples, license=license)
    return of_files(address=address)
