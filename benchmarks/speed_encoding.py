"""How near `encode_dataset` comes to what the machine's matrix products allow, and in how much memory.

    python benchmarks/speed_encoding.py [--threads 2] [--rows 1000000] [--folder FOLDER]

Rate: the default model (784, 60 latents, one hidden layer of 400) encodes 20,000 rows, in turns with plain matrix
products of 2048³ and of the model's own shapes. Operations are 2 × rows × sum of layer sizes, the decoder's among them,
whose pass gives the reconstruction; the limit is the best rate of any product in any turn.

Memory: a fresh process encodes ``--rows`` rows of 784 mapped from a .npy file in FOLDER (a temporary one), which takes
3.1 GB of disk. A thread watches RssAnon of /proc/self/status, what the process itself holds: pages of the file that
the kernel keeps (RssFile) are not in it, and are given back when others need them.
"""

import argparse
import json
import math
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import torch
from numpy.lib.format import open_memmap
from timing import machine, take_turns
from torch import nn

import cospike as cs
from cospike.encoding import ROWS_PER_PASS

WIDTH, N_ROWS, TURNS = 784, 20_000, 20
LEAST_SHARE, MOST_OVERHEAD = 0.6, 1.0  # the targets; GiB


def layer_sizes(model: nn.Module) -> list[tuple[int, int]]:
    """Inputs and outputs of every fully connected layer."""
    return [(layer.in_features, layer.out_features) for layer in model.modules() if isinstance(layer, nn.Linear)]


def measure_rate(n_threads: int) -> str:
    """A row of the table: encoding against the limit."""
    model = cs.SparseVAE((WIDTH,))
    split = cs.Split(torch.rand(N_ROWS, WIDTH), torch.zeros(N_ROWS, dtype=torch.long))
    sizes = layer_sizes(model)
    shapes = {(2048, 2048, 2048), *((ROWS_PER_PASS, n_in, n_out) for n_in, n_out in sizes)}
    operands = {shape: (torch.rand(shape[0], shape[1]), torch.rand(shape[1], shape[2])) for shape in sorted(shapes)}
    candidates = {f"{shape}": (lambda a=a, b=b: a @ b) for shape, (a, b) in operands.items()}
    candidates["encode"] = lambda: cs.encode_dataset(model, split, accelerator="cpu", progress=False)
    seconds = take_turns(candidates, turns=TURNS)
    rates = {f"{shape}": 2 * math.prod(shape) / seconds[f"{shape}"] for shape in operands}
    products = np.stack(list(rates.values())).max(axis=0)  # the best of each turn
    encoding = 2 * N_ROWS * sum(math.prod(size) for size in sizes) / seconds["encode"]
    share, by_turn = encoding.max() / products.max(), np.median(encoding / products)
    best = max(rates, key=lambda name: rates[name].max())
    return (
        f"| encoding, share of the matrix-product limit | ≥ {LEAST_SHARE} | {encoding.max() / 1e9:.0f} of "
        f"{products.max() / 1e9:.0f} GFLOP/s ({N_ROWS / seconds['encode'].min():,.0f} rows/s) | {share:.2f} (median of "
        f"turns {by_turn:.2f}) | best of {TURNS} turns, {n_threads} threads; best product {best} |"
    )


def write_rows(path: Path, n_rows: int, dtype: type) -> None:
    """Random rows, in parts."""
    rows, rng = open_memmap(path, mode="w+", dtype=dtype, shape=(n_rows, WIDTH)), np.random.default_rng(0)
    part = rng.random((10_000, WIDTH), dtype=np.float32)
    part = (255 * part).astype(np.uint8) if dtype is np.uint8 else part
    for start in range(0, n_rows, len(part)):
        rows[start : start + len(part)] = part[: n_rows - start]
    rows.flush()


def resident(kind: str) -> float:
    """GiB of this process now."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{kind}:")]
    return int(line.split()[1]) / 2**20


def encode_from_disk(path: Path, n_threads: int) -> None:
    """What the fresh process does; prints what it measured as JSON."""
    torch.set_num_threads(n_threads)
    model, highest, done = cs.SparseVAE((WIDTH,)), {"RssAnon": 0.0, "RssFile": 0.0}, threading.Event()
    cs.encode_dataset(model, np.zeros((1, WIDTH)), accelerator="cpu")  # libraries load on first use

    def watch() -> None:
        while not done.wait(0.01):
            for kind, value in highest.items():
                highest[kind] = max(value, resident(kind))

    watcher = threading.Thread(target=watch)
    before = resident("RssAnon")
    watcher.start()
    start = perf_counter()
    codes = cs.encode_dataset(model, np.load(path, mmap_mode="r"), accelerator="cpu")
    seconds = perf_counter() - start
    done.set()
    watcher.join()
    held = (codes.active_probs, codes.slab_loc, codes.slab_scale, codes.labels, codes.reconstruction)
    result = sum(part.nbytes for part in held if part is not None) / 2**30
    told = {"seconds": seconds, "before": before, "result": result, "anon": highest["RssAnon"]}
    print(json.dumps(told | {"file": highest["RssFile"]}))


def measure_memory(folder: Path, n_rows: int, dtype: type, n_threads: int) -> str:
    """A row of the table: what a fresh process holds above the model and its libraries."""
    path = folder / "rows.npy"
    write_rows(path, n_rows, dtype)
    command = [sys.executable, __file__, "--threads", str(n_threads), "--encode", str(path)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    path.unlink()
    held = told["anon"] - told["before"]
    return (
        f"| memory above the model, {n_rows:,} x {WIDTH} {np.dtype(dtype).name} mapped from disk | "
        f"≤ {MOST_OVERHEAD:g} GiB | {held:.2f} GiB, of which the codes {told['result']:.2f} | "
        f"{held / MOST_OVERHEAD:.2f} | peak RssAnon less {told['before']:.2f} GiB before (RssFile peak "
        f"{told['file']:.2f}); {told['seconds']:.0f} s, {n_threads} threads |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--encode", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.encode:
        encode_from_disk(arguments.encode, arguments.threads)
        return
    torch.set_num_threads(arguments.threads)
    print("| what | target | measured | ratio | how |\n|---|---|---|---|---|")
    print(measure_rate(arguments.threads), flush=True)
    with TemporaryDirectory(dir=arguments.folder) as folder:
        for dtype in (np.float32, np.uint8):
            print(measure_memory(Path(folder), arguments.rows, dtype, arguments.threads), flush=True)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
