"""A training does not grow: no objects, no open files, no memory but a row of its history an epoch.

In a process of its own: the type checks of the tests keep what they have seen. `torture/memory.py` looks for longer.
"""

import json
import subprocess
import sys

import pytest

TRAIN = """
import gc, json, sys, tracemalloc
from pathlib import Path
import numpy as np
from torch.optim.optimizer import register_optimizer_step_post_hook
import cospike as cs

looks, folder = [], Path(sys.argv[1])
rng = np.random.default_rng(0)
data = cs.from_arrays(rng.random((200, 6), dtype=np.float32), np.arange(200) % 2, name="noise")

def look():
    gc.collect()
    files = len(list(Path("/proc/self/fd").iterdir()))
    return {"objects": len(gc.get_objects()), "files": files, "bytes": tracemalloc.get_traced_memory()[0]}

def count(*_):
    steps[0] += 1
    if steps[0] == 200:
        tracemalloc.start()
    if steps[0] % 200 == 0:
        looks.append(look())

steps = [0]
hook = register_optimizer_step_post_hook(count)
model = cs.SparseVAE(data.shape, 4, hidden=(8,))
fit = {"batch_size": 16, "accelerator": "cpu", "out": folder}
cs.fit(model, data, epochs=75, **fit)  # of 8 steps: to the third look
tracemalloc.stop()
hook.remove()

calls = {}
for name, call in {
    "fit": lambda: cs.fit(cs.SparseVAE(data.shape, 4, hidden=(8,)), data, epochs=1, overwrite=True, **fit),
    "load": lambda: cs.load(folder),
    "report": lambda: cs.report(folder),
}.items():
    seen = []
    for _ in range(3):
        call()
        seen.append(look())
    calls[name] = seen
print(json.dumps({"looks": looks[:3], "calls": calls}))
"""


@pytest.mark.slow
def test_what_goes_on_for_long_and_what_is_called_again_grows_by_nothing_but_its_history(tmp_path):
    command = [sys.executable, "-c", TRAIN, str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    warm, later, last = told["looks"]
    epochs = 200 // 8
    assert warm["files"] == later["files"] == last["files"]
    assert last["objects"] - later["objects"] <= epochs  # points of the bar, of which rich keeps the last 1,000
    assert last["bytes"] - later["bytes"] < 3_000 * epochs
    for name, (_, before, after) in told["calls"].items():
        assert after == before, name
