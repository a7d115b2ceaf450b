"""Reads what nobody wrote: every reader of files, with inputs that a coverage-guided fuzzer makes of real ones.

    python torture/fuzz.py [TARGET …] [--runs 100000] [--keep FOLDER]

Each target is a reader. Each input must be read, or refused with the error that the reader documents, within two
seconds and a gibibyte beside what is loaded. Prints a row a target; ends in exit code 1 if one did anything else, with
the input in FOLDER. The fuzzer is atheris, libFuzzer for Python; `mutators.py` keeps formats whole.
"""

import argparse
import json
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import mutators

SECONDS, MEMORY = 2, 2**30
_HANGS = 60  # seconds by the clock, after which it waits for something
_MAX_INPUT = {"options": 2**11}  # bytes, of others 2**16: YAML is parsed in Python
_SHM = Path("/dev/shm")
_PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("RGBA", {}),
    "gif": ("P", {}),
    "tiff": ("RGB", {"compression": "tiff_lzw"}),
    "jpg": ("RGB", {"progressive": True}),
    "webp": ("RGB", {"lossless": True}),
}


class Target(NamedTuple):
    """A reader of one file, and how to change it."""

    file: str
    read: Callable[[Path], Any]  # given the file
    mutate: Callable[[bytes, random.Random, mutators.Havoc], bytes]


def make_seeds(folder: Path) -> None:
    """Real files of a small run, a small benchmark, a data set and options."""
    import numpy as np
    import torch

    import cospike as cs
    from cospike.benchmark.files import Grid, Row, write_definitions, write_grid, write_rows
    from cospike.data import from_arrays
    from cospike.evaluation import evaluate
    from cospike.idx import write_idx

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    x = (np.eye(3, 6)[labels] + rng.normal(0, 0.1, (90, 6))).astype("float32")
    data = from_arrays(x, labels, name="toys", class_names=("a", "b", "é"))
    model = cs.SparseVAE(data.shape, 4, hidden=(5,), n_dense=1, likelihood="gaussian")
    cs.fit(model, data, epochs=2, out=folder, progress=False, precision="32-true")
    evaluate(folder)
    write_idx(folder / "images", np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    write_idx(folder / "labels.gz", np.arange(3, dtype=np.uint8))
    values = {"neg_elbo": 12.5, "jaccard_within": float("nan")}
    rows = [Row("toys", "vsc", seed, "0123456789abcdef", {"cospike": "0.1.0"}, values, {}) for seed in (0, 1)]
    write_rows(folder, {row.cell: row for row in rows})
    write_grid(folder, Grid(data=("digits",), seeds=2, model={"hidden": [8]}, training={"epochs": 3}))
    write_definitions(folder, {"neg_elbo": {"unit": "nats", "direction": "lower", "how": "a bound"}})
    (folder / "options.yaml").write_text(
        "epochs: 40\nn_latents: 7\nhidden: [8, 8]\nnetwork: mlp\nlearning_rate: 0.01\n"
    )
    make_data_seeds(folder)


def make_data_seeds(folder: Path) -> None:
    """Tables and arrays, as users have them."""
    import numpy as np
    import pandas as pd
    from PIL import Image

    columns = {"kind": ["a", "b", "é"] * 4, "size": [1.5, None, -2.0] * 4, "n": [1, 2, 3] * 4, "on": [True, False] * 6}
    table = pd.DataFrame(columns)
    table.to_csv(folder / "table.csv", index=False)
    table.to_parquet(folder / "table.parquet")
    table.to_feather(folder / "table.feather", compression="uncompressed")
    table.to_feather(folder / "packed.feather", compression="zstd")
    np.save(folder / "rows.npy", np.arange(12.0).reshape(6, 2))
    np.savez(folder / "rows.npz", x=np.arange(12.0).reshape(6, 2), y=np.array(["a", "b"] * 3))
    levels = np.arange(3 * 9 * 11, dtype=np.uint8).reshape(9, 11, 3)
    for name, (colours, options) in _PICTURES.items():
        path = folder / f"{name}-pictures" / "a" / f"x.{name}"
        path.parent.mkdir(parents=True)
        Image.fromarray(levels).convert(colours).save(path, **options)


def targets(run: Path) -> dict[str, Target]:
    """By name; what else a reader reads lies in ``run``."""
    import torch

    from cospike import runs
    from cospike._errors import InputError
    from cospike.array_files import read_array_file
    from cospike.benchmark.files import read_definitions, read_grid, read_rows
    from cospike.cli import app
    from cospike.evaluation import read_metrics
    from cospike.evidence import directions_of_latents, names_of_latents, read_interventions
    from cospike.held_out import read_previews
    from cospike.idx import read_idx
    from cospike.model import SparseVAE
    from cospike.option_files import use_options
    from cospike.pictures import read_pictures
    from cospike.references import read_references
    from cospike.run_state import unpack
    from cospike.table_files import column_names, read_file

    def table(path: Path) -> None:
        column_names(path)
        read_file(path)

    def options(path: Path) -> None:
        tokens = ["train", "digits", "--out", "runs/x"]
        use_options(app, tokens, path)
        app.parse_args(tokens, exit_on_error=False, print_error=False)

    (codes,) = runs.read_codes(run, ("test",))
    model = SparseVAE(**runs.read_config(run)["model"])
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def attributes(path: Path) -> None:
        names_of_latents(path.parent, codes)
        directions_of_latents(path.parent, codes)

    def state(path: Path) -> None:
        tensors, _ = runs.read_tensors(path.parent, path.name)
        try:
            unpack(tensors, model, optimizer)
        except (KeyError, ValueError, RuntimeError) as error:  # what the trainer takes for a state of another training
            raise InputError("does not fit") from error
        for weight in model.parameters():
            weight.grad = torch.zeros_like(weight)
        optimizer.step()

    def pictures(path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is left out, and said so
            read_pictures(path.parent.parent)

    def of_run(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
        return lambda path: read(path.parent)

    tensors, archive = mutators.mutate_safetensors, mutators.mutate_archive
    drawn = {
        name: Target(
            f"{name}-pictures/a/x.{name}", pictures, mutators.mutate_png if name == "png" else mutators.mutate_bytes
        )
        for name in _PICTURES
    }
    return drawn | {
        "idx": Target("images", read_idx, mutators.mutate_idx),
        "idx-gzip": Target("labels.gz", partial(read_idx, ndim=1), mutators.mutate_idx),
        "config": Target("config.json", of_run(runs.load), mutators.mutate_json),
        "safetensors": Target("weights.safetensors", of_run(runs.load), tensors),
        "state": Target("state.safetensors", state, tensors),
        "references": Target("references.safetensors", lambda path: read_references(path.parent, (6,), 3), tensors),
        "codes": Target("codes.npz", of_run(runs.read_codes), archive),
        "previews": Target("previews.npz", lambda path: read_previews(path.parent, (6,), len(codes)), archive),
        "attributes": Target("attributes.npz", attributes, archive),
        "history": Target("history.jsonl", of_run(runs.read_history), mutators.mutate_lines),
        "metrics": Target("metrics.json", of_run(read_metrics), mutators.mutate_json),
        "interventions": Target("interventions.json", of_run(read_interventions), mutators.mutate_json),
        "options": Target("options.yaml", options, mutators.mutate_yaml),
        "csv": Target("table.csv", table, mutators.mutate_table),
        "parquet": Target("table.parquet", table, mutators.mutate_bytes),
        "feather": Target("table.feather", table, mutators.mutate_bytes),
        "feather-zstd": Target("packed.feather", table, mutators.mutate_bytes),
        "npy": Target("rows.npy", read_array_file, mutators.mutate_bytes),
        "npz": Target("rows.npz", read_array_file, archive),
        "rows": Target("rows.jsonl", of_run(read_rows), mutators.mutate_lines),
        "grid": Target("grid.json", of_run(read_grid), mutators.mutate_json),
        "definitions": Target("measures.json", of_run(read_definitions), mutators.mutate_json),
    }


def fuzz(name: str, run: Path, corpus: Path, n_runs: int) -> None:
    """One target, in a process of its own: libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["cospike", "json", "zipfile"]):
        target = targets(run)[name]
        from cyclopts import CycloptsError

        from cospike._errors import InputError
    path, told = run / target.file, run / "told.json"
    whole = path.read_bytes()
    target.read(path)  # all that loads late
    tried, fine, slowest = 0, 0, 0.0

    def read_one(data: bytes) -> None:
        nonlocal tried, fine, slowest
        path.write_bytes(data)
        begun = time.process_time()  # of this process: others may keep the machine busy
        try:
            target.read(path)
            fine += 1
        except InputError as error:
            if "\n" in str(error):
                raise AssertionError("more than one line") from error
        except CycloptsError:
            pass
        took, tried = time.process_time() - begun, tried + 1
        if took > SECONDS:
            raise AssertionError(f"{took:.1f} seconds")
        if took > slowest or tried % 1000 == 0 or tried == n_runs:
            slowest = max(slowest, took)
            told.write_text(json.dumps({"tried": tried, "fine": fine, "slowest": slowest}))

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        def havoc(part: bytes) -> bytes:
            return bytes(atheris.Mutate(part, max(1, min(max_size, len(part) + 64))))

        rng = random.Random(seed)  # half of all are one step from what is fine: the corpus moves away from it
        return target.mutate(whole if rng.random() < 0.5 else data, rng, havoc)[:max_size]

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
    arguments = [
        f"-runs={n_runs}",
        f"-timeout={_HANGS}",
        f"-max_len={_MAX_INPUT.get(name, 2**16)}",
        "-print_final_stats=1",
        "-seed=1",
    ]
    arguments += [
        "-rss_limit_mb=0",
        "-close_fd_mask=0",
        f"-artifact_prefix={run.parent}/found-{name}-",
        "-len_control=0",
    ]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], read_one, custom_mutator=mutate)
    atheris.Fuzz()


def report(name: str, seeds: Path, n_runs: int, keep: Path) -> bool:
    """Run a target, print its row; whether all went well."""
    with tempfile.TemporaryDirectory(dir=_SHM if _SHM.is_dir() else None) as scratch:
        run, corpus = Path(scratch) / "run", Path(scratch) / "corpus"
        shutil.copytree(seeds, run)
        corpus.mkdir()
        shutil.copy(run / targets(run)[name].file, corpus)
        command = [sys.executable, __file__, name, "--child", str(run), str(corpus), "--runs", str(n_runs)]
        begun = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        seconds = time.perf_counter() - begun
        told = json.loads((run / "told.json").read_text()) if (run / "told.json").is_file() else {}
        coverage, corpus_size = (re.findall(r"cov: (\d+) ft: \d+ corp: (\d+)", done.stderr) or [("?", "?")])[-1]
        peak = (re.findall(r"peak_rss_mb:\s*(\d+)", done.stderr) or ["?"])[-1]
        fine = done.returncode == 0 and told.get("tried", 0) >= n_runs
        cells = [name, f"{told.get('tried', 0):,}", f"{told.get('fine', 0):,}", f"{seconds:.0f}", coverage, corpus_size]
        cells += [f"{1000 * told.get('slowest', 0):.0f}", peak, "" if fine else "FAILED"]
        print(f"| {' | '.join(cells)} |", flush=True)
        if not fine:
            keep.mkdir(parents=True, exist_ok=True)
            for found in Path(scratch).glob("found-*"):
                shutil.copy(found, keep)
            lines = [line for line in done.stderr.splitlines() if not line.startswith(("#", "INFO", "\t"))]
            print("\n".join([*done.stdout.splitlines()[-20:], *lines[-40:]]), flush=True)
        return fine


def main() -> None:
    """All targets, or those named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="*")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        fuzz(given.target[0], *given.child, given.runs)
    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder) / "seeds"
        make_seeds(seeds)
        names = given.target or list(targets(seeds))
        print("| target | inputs | read | seconds | coverage | corpus | slowest, ms | peak memory, MiB | |")
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        results = [report(name, seeds, given.runs, given.keep) for name in names]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
