"""A small grid from end to end: what is trained, what is not trained again, and what cannot be."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from filelock import FileLock

from cospike._errors import InputError
from cospike.benchmark import grid as module
from cospike.benchmark.files import Cell, Grid, one_process, read_definitions, read_grid, read_rows, write_grid
from cospike.benchmark.grid import find_grid, run_benchmark
from cospike.benchmark.recipes import MODELS
from cospike.benchmark.run import configure, do, fingerprint
from cospike.train import fit
from cospike.trainer import Trainer

TINY = {"model": {"n_latents": 4, "hidden": (8,)}, "training": {"epochs": 1}}
GRID = Grid(("digits",), ("vsc", "classifier"), seeds=2, **TINY)


@pytest.fixture(autouse=True)
def _few_pairs(monkeypatch):
    monkeypatch.setattr("cospike.metrics.N_PAIRS", 1_000)


@pytest.fixture
def trained(monkeypatch):
    """The runs that are trained from here on."""
    cells = []

    def watched(job):
        cells.append(job.cell)
        return do(job)

    monkeypatch.setattr(module, "do", watched)
    return cells


def run(out, grid=GRID, **settings):
    return run_benchmark(grid, out, jobs=1, **settings)


def test_a_grid_leaves_a_row_a_run_and_no_run_folder(tmp_path, trained, capsys):
    done = run(tmp_path)
    assert trained == [Cell("digits", model, seed) for seed in (0, 1) for model in GRID.models]
    assert [row.cell for row in done.rows] == trained
    assert done.failures == ()
    assert list(read_rows(tmp_path)) == sorted(trained)
    assert not (tmp_path / "runs" / "digits").exists()
    assert len(capsys.readouterr().err.splitlines()) == 4
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert max(map(len, lines)) < 4_000
    by_model = {row.model: row for row in done.rows}
    assert set(by_model["classifier"].values) == {"probe_codes", "seconds"}
    expected = {"neg_elbo", "neg_iwae", "neg_iwae_mixture", "consistency_gap_specific", "n_global_worth", "seconds"}
    assert expected <= set(by_model["vsc"].values)
    assert "logistic regression" in done.definitions["probe_codes"]["how"]  # not the classifier's
    assert by_model["vsc"].stderr["neg_elbo"] > 0
    assert 0 < by_model["vsc"].values["seconds"] < 60


@pytest.mark.slow
def test_what_has_a_row_is_not_trained_again(tmp_path, trained):
    first = run(tmp_path)
    before = (tmp_path / "rows.jsonl").read_bytes()
    trained.clear()
    assert run(tmp_path).rows == first.rows
    assert trained == []
    more = run(tmp_path, replace(GRID, seeds=3))
    assert trained == [Cell("digits", "vsc", 2), Cell("digits", "classifier", 2)]
    assert len(more.rows) == 6
    assert set(before.splitlines()) < set((tmp_path / "rows.jsonl").read_bytes().splitlines())


@pytest.mark.slow
def test_after_a_stop_between_runs_only_the_missing_ones_are_trained(tmp_path, trained, monkeypatch):
    def stop(job):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(job.cell)
        return do(job)

    monkeypatch.setattr(module, "do", stop)
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        run(tmp_path)
    assert list(read_rows(tmp_path)) == sorted(trained)
    kept = {cell: asdict(row) for cell, row in read_rows(tmp_path).items()}
    trained.clear()
    run(tmp_path)  # the next two, and then there is nothing left to stop at
    assert trained == [Cell("digits", "vsc", 1), Cell("digits", "classifier", 1)]
    assert kept.items() <= {cell: asdict(row) for cell, row in read_rows(tmp_path).items()}.items()


@pytest.mark.slow
def test_a_changed_recipe_is_trained_anew_and_replaces_its_rows(tmp_path, trained, monkeypatch):
    first = {row.cell: row for row in run(tmp_path).rows}
    trained.clear()
    monkeypatch.setitem(MODELS, "vsc", replace(MODELS["vsc"], model={"active_prior": 0.3}))
    second = {row.cell: row for row in run(tmp_path).rows}
    assert trained == [Cell("digits", "vsc", 0), Cell("digits", "vsc", 1)]
    assert len(read_rows(tmp_path)) == 4
    for cell, row in second.items():
        assert (row.fingerprint == first[cell].fingerprint) == (cell.model == "classifier")
    assert second[trained[0]].values["neg_elbo"] != first[trained[0]].values["neg_elbo"]


@pytest.mark.slow
def test_rows_of_another_grid_stay_but_are_not_shown(tmp_path, trained):
    run(tmp_path)
    done = run(tmp_path, replace(GRID, models=("vsc",), seeds=1))
    assert [row.cell for row in done.rows] == [Cell("digits", "vsc", 0)]
    assert len(read_rows(tmp_path)) == 4


@pytest.mark.slow
def test_a_run_goes_on_where_it_was(tmp_path, digits, monkeypatch, trained):
    """A finished run folder without a row is measured, not trained; one of other settings is replaced."""
    from cospike.model import SparseVAE
    from cospike.objective import Objective

    config = configure(MODELS["vsc"], digits, seed=0, **TINY)
    folder = tmp_path / "runs" / "digits" / "vsc-0"
    fit(
        SparseVAE(**config["model"]), digits, objective=Objective.from_dict(config["objective"]), out=folder,
        precision="32-true", **config["training"],
    )  # fmt: skip
    state = (folder / "state.safetensors").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_epoch", lambda *_: pytest.fail("trained again"))
        done = run(tmp_path, replace(GRID, models=("vsc",), seeds=1), keep_runs=True)
    assert done.failures == ()
    assert (folder / "state.safetensors").read_bytes() == state
    run(tmp_path, replace(GRID, models=("vsc",), seeds=1, training={"epochs": 2}), keep_runs=True)
    assert len((folder / "history.jsonl").read_text().splitlines()) == 2


def test_a_failed_run_is_one_line_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(MODELS, "vsc", replace(MODELS["vsc"], model={"likelihood": "gaussian"}))
    monkeypatch.setattr(
        "cospike.benchmark.run.fit", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("out of\nluck"))
    )
    done = run(tmp_path)
    assert done.failures == tuple(f"vsc on digits, seed {seed}: RuntimeError: out of luck" for seed in (0, 1))
    assert [row.cell for row in done.rows] == [Cell("digits", "classifier", seed) for seed in (0, 1)]
    err = capsys.readouterr().err
    assert "cospike: vsc on digits, seed 1 failed: RuntimeError: out of luck" in err
    assert len(err.splitlines()) == 4


def test_a_damaged_row_is_named_with_the_fix(tmp_path, unchecked):
    run(tmp_path, replace(GRID, models=("classifier",)))
    path = tmp_path / "rows.jsonl"
    first, second = path.read_text().splitlines()
    for damaged in (second[:40], "[1]", json.dumps({**json.loads(second), "values": {"seconds": "3"}}), "{}"):
        path.write_text(f"{first}\n{damaged}\n")
        with pytest.raises(InputError, match=r"^Line 2 of .*rows\.jsonl .*Delete that line, and its run is trained"):
            run(tmp_path)
    path.write_text(f"{first}\n")
    assert len(run(tmp_path, replace(GRID, models=("classifier",))).rows) == 2


def test_after_damaged_definitions_the_advice_holds(tmp_path, unchecked):
    """Delete the file, and a model's lines: its runs are done again and define their measures."""
    grid = replace(GRID, models=("classifier",))
    before = run(tmp_path, grid).definitions
    path = tmp_path / "measures.json"
    for damaged in ("{", "[]", '{"seconds": 3}', '{"seconds": {"unit": "s"}}'):
        path.write_text(damaged)
        with pytest.raises(
            InputError, match=r"measures\.json .*Delete it, and a model's lines in rows\.jsonl"
        ) as caught:
            run(tmp_path, grid)
        assert len(str(caught.value).splitlines()) == 1
    path.unlink()
    assert run(tmp_path, grid).definitions == {}
    (tmp_path / "rows.jsonl").write_text("")
    assert run(tmp_path, grid).definitions == before


def test_what_fails_within_is_not_laid_on_the_folder(tmp_path):
    for error in (PermissionError, FileExistsError, NotADirectoryError):
        with pytest.raises(error, match="elsewhere"), one_process(tmp_path):
            raise error("elsewhere")
    with one_process(tmp_path):  # and the lock is free again
        pass


def test_a_second_process_is_refused(tmp_path):
    (tmp_path / "runs").mkdir()
    with FileLock(tmp_path / "runs" / ".lock"), pytest.raises(InputError, match="in use by another"):
        run(tmp_path)
    assert not (tmp_path / "rows.jsonl").exists()


@pytest.mark.slow
def test_without_data_the_last_grid_is_done_again(tmp_path):
    with pytest.raises(InputError, match="must be named the first time"):
        find_grid(tmp_path)
    run(tmp_path)
    assert find_grid(tmp_path) == read_grid(tmp_path)
    assert fingerprints(find_grid(tmp_path)) == fingerprints(GRID)
    assert find_grid(tmp_path, seeds=7, models=None) == replace(read_grid(tmp_path), seeds=7)
    assert find_grid(tmp_path, ("mnist",)) == Grid(("mnist",))


@pytest.mark.parametrize(
    "settings",
    [
        {"dataset": []},
        {"data": []},
        {"data": 3},
        {"data": ["digits"], "training": []},
        {"data": ["digits"], "model": 3},
        {"data": ["digits"], "training": {"epochs": "3"}},
        {"data": ["digits"], "models": ["vcs"]},
        {"data": ["digits"], "model": {"latents": 3}},
        {"data": ["digits"], "training": {"steps": 3}},
    ],
)
def test_a_damaged_grid_is_one_line_with_the_fix(tmp_path, unchecked, settings):
    (tmp_path / "grid.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match=r"^[^\n]*grid\.json is damaged: .*[^.]\.? Delete it[^\n]*$"):
        find_grid(tmp_path)


@pytest.mark.parametrize(
    ("part", "settings"),
    [
        ("model", {"n_latents": 10**12}),
        ("model", {"hidden": [10**9, 10**9]}),
        ("model", {"hidden": [10**19]}),
        ("model", {"n_latents": "x"}),
        ("model", {"hidden": 5}),
        ("training", {"batch_size": "x"}),
        ("training", {"batch_size": None, "learning_rate": "x"}),
    ],
)
def test_a_stored_grid_of_any_size_allocates_nothing_here(tmp_path, unchecked, part, settings):
    """Each is one line: at once, or as a run that failed."""
    write_grid(tmp_path, Grid(("digits",), ("vsc",), seeds=1, training={"epochs": 1}))
    stored = json.loads((tmp_path / "grid.json").read_text())
    stored[part] |= settings
    (tmp_path / "grid.json").write_text(json.dumps(stored))
    try:
        (failure,) = run(tmp_path, find_grid(tmp_path)).failures
    except InputError as error:
        failure = str(error)
    assert "\n" not in failure


def test_a_stored_grid_of_terabytes_gives_settings(digits):
    config = configure(MODELS["vsc"], digits, seed=0, model={"hidden": [10**6, 10**6]})
    assert config["model"]["hidden"] == [10**6, 10**6]


def test_a_grid_without_end_is_refused(tmp_path, unchecked):
    with pytest.raises(InputError, match="at most 1,000,000"):
        Grid(("digits",), seeds=10**9)
    write_grid(tmp_path, Grid(("digits",)))
    with (tmp_path / "grid.json").open("a") as file:
        file.write(" " * 2**16)
    with pytest.raises(InputError, match="at most 65,536 bytes"):
        read_grid(tmp_path)


def test_folders_of_runs_that_lie_elsewhere_are_refused(tmp_path):
    mine = tmp_path / "mine" / "digits" / "vsc-0"
    mine.mkdir(parents=True)
    (mine / "thesis.tex").write_text("years of work")
    for link in ("runs", "runs/digits"):
        out = tmp_path / link.replace("/", "-")
        (out / link).parent.mkdir(parents=True)
        (out / link).symlink_to(tmp_path / "mine" / ("digits" if "/" in link else ""))
        with pytest.raises(InputError, match="got a link to"):
            run(out)
    out = tmp_path / "locked"
    (out / "runs").mkdir(parents=True)
    (out / "runs" / ".lock").symlink_to(mine / "thesis.tex")
    with pytest.raises(InputError, match="got a link to"):
        run(out)
    assert (mine / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("name", ["../../mine", "/mine", "a/b", "a\\b", "."])
def test_a_row_whose_data_is_a_path_is_refused(tmp_path, name):
    row = {"data": name, "model": "vsc", "seed": 0, "fingerprint": "x", "versions": {}, "values": {}}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match="data must be a name, not a path"):
        read_rows(tmp_path)


@pytest.mark.parametrize(
    "entry", [{"unit": [], "direction": "lower", "how": ""}, {"unit": "", "direction": 1, "how": ""}, []]
)
def test_definitions_are_text(tmp_path, unchecked, entry):
    (tmp_path / "measures.json").write_text(json.dumps({"neg_elbo": entry}))
    with pytest.raises(InputError, match="neg_elbo must have unit, direction and how"):
        read_definitions(tmp_path)


def test_settings_of_training_that_are_given_leave_the_others(tmp_path):
    write_grid(tmp_path, replace(GRID, training={"epochs": 3, "learning_rate": 0.01}))
    assert find_grid(tmp_path, training={"epochs": 7}).training == {"epochs": 7, "learning_rate": 0.01}
    assert find_grid(tmp_path, seeds=7).training == {"epochs": 3, "learning_rate": 0.01}


def fingerprints(grid):
    from cospike.data import load_dataset

    data = load_dataset("digits")
    return [
        fingerprint(configure(MODELS[m], data, seed=0, model=grid.model, training=grid.training)) for m in grid.models
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"models": ("vcs",)}, "Did you mean 'vsc'"),
        ({"models": ()}, "'models' of a benchmark must be one or more"),
        ({"models": ("vsc", "vsc")}, "different names"),
        ({"seeds": 0}, "'seeds' of a benchmark must be at least 1, got 0"),
        ({"training": {"epochs": 0}}, "'epochs' of a benchmark"),
        ({"training": {"epoch": 3}}, "Unknown setting 'epoch' of 'training' of a benchmark. Did you mean 'epochs'"),
        ({"model": {"n_latent": 3}}, "Unknown setting 'n_latent' of 'model' of a benchmark. Did you mean 'n_latents'"),
        ({"data": ("digist",)}, "Did you mean 'digits'"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        run(tmp_path / "new", replace(GRID, **settings))
    with pytest.raises(InputError, match="'jobs' of a benchmark"):
        run_benchmark(GRID, tmp_path / "new", jobs=0)
    assert not (tmp_path / "new").exists()


def test_an_out_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="'out' must be a folder"):
        run(tmp_path / "file")


@pytest.mark.slow
def test_many_processes_give_the_rows_of_one(tmp_path):
    one, two = run(tmp_path / "one"), run_benchmark(GRID, tmp_path / "two", jobs=2)
    for a, b in zip(one.rows, two.rows, strict=True):
        assert (a.cell, a.fingerprint) == (b.cell, b.fingerprint)
        names = (
            set(a.values)
            - {"seconds"}
            - {name for name in a.values if name.startswith(("jaccard", "consist", "pairw"))}
        )
        assert [a.values[name] for name in names] == pytest.approx([b.values[name] for name in names], rel=1e-3)
    assert np.isfinite([value for row in two.rows for value in row.values.values()]).all()
