"""A small reproduction from end to end: what is trained, what is not again, and what a stop leaves."""

import json
from dataclasses import asdict, replace

import pytest
from filelock import FileLock

from cospike._errors import InputError
from cospike.benchmark.files import Cell
from cospike.reproduction import grid as module
from cospike.reproduction.grid import reproduce
from cospike.reproduction.record import read_records, record_path
from cospike.reproduction.run import configure_study, do
from cospike.reproduction.studies import DATA, PUBLISHED, SEEDS, quick_studies, studies
from cospike.trainer import Trainer

TINY = {"n_latents": 4, "hidden": (8,)}
WANTED = tuple(
    replace(one, model=TINY, training={"epochs": 2})
    for one in quick_studies()
    if one.place in (("digits", "vsc-no-warm-up", 0), ("digits", "default", 0), ("digits", "published-ours", 0))
)


@pytest.fixture(autouse=True)
def _few_pairs(monkeypatch):
    monkeypatch.setattr("cospike.metrics.N_PAIRS", 1_000)


@pytest.fixture
def trained(monkeypatch):
    """The runs that are begun from here on."""
    places = []

    def watched(job):
        places.append(job.study.place)
        return do(job)

    monkeypatch.setattr(module, "do", watched)
    return places


def lasting(records):
    """Records without the time that they took."""
    found = {place: asdict(one) for place, one in records.items()}
    for one in found.values():
        one["values"].pop("seconds", None)
    return found


@pytest.mark.slow
def test_runs_leave_records_and_figures_and_no_folder(tmp_path, trained, capsys):
    done = reproduce(WANTED, tmp_path, jobs=1)
    assert trained == [one.place for one in WANTED] == list(done.records)
    assert done.failures == ()
    assert not (tmp_path / "runs" / "digits").exists()
    assert len(capsys.readouterr().err.splitlines()) == 3
    figures = {name for one in done.records.values() for name in one.figures.values()}
    assert figures == {path.name for path in (tmp_path / "figures").iterdir()}
    assert figures
    main = done.records[Cell("digits", "default", 0)]
    assert main.findings.keys() >= {
        "activation", "combinations", "global", "ties", "own", "categories", "control", "thresholds", "one_pattern",
    }  # fmt: skip
    assert done.records[Cell("digits", "published-ours", 0)].findings["published"]["exact"] > 0
    trained.clear()
    again = reproduce(WANTED, tmp_path, jobs=1)
    assert trained == []
    assert again.records.keys() == done.records.keys()


@pytest.mark.slow
def test_killed_between_runs_and_within_one_it_ends_with_the_same_records(tmp_path, trained, monkeypatch):
    reproduce(WANTED, tmp_path / "whole", jobs=1)
    whole = lasting(read_records(tmp_path / "whole"))
    out, save, saved = tmp_path / "stopped", Trainer.save, []

    def stop(trainer):
        save(trainer)
        saved.append(trainer.epoch)
        if len(saved) == 3:  # in the middle of the second run
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "save", stop)
        with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
            reproduce(WANTED, out, jobs=1)
    assert list(read_records(out)) == [WANTED[0].place]
    assert (out / "runs" / "digits" / f"{WANTED[1].place.model}-0" / "state.safetensors").is_file()
    trained.clear()
    epochs = []
    train = Trainer._epoch
    monkeypatch.setattr(Trainer, "_epoch", lambda self, *rest: (epochs.append(self.epoch), train(self, *rest))[1])
    reproduce(WANTED, out, jobs=1)
    assert trained == [one.place for one in WANTED[1:]]
    assert epochs == [1, 0, 1]  # the second goes on with its second epoch
    assert lasting(read_records(out)) == whole


@pytest.mark.slow
def test_a_record_of_other_settings_or_without_its_figures_is_made_anew(tmp_path, trained):
    one = [study for study in WANTED if study.part == "honest"]
    first = reproduce(one, tmp_path, jobs=1).records
    trained.clear()
    other = [replace(one[0], training={"epochs": 1})]
    second = reproduce(other, tmp_path, jobs=1).records
    assert len(trained) == 1
    assert [a.fingerprint for a in first.values()] != [b.fingerprint for b in second.values()]
    for path in (tmp_path / "figures").iterdir():
        path.unlink()
    trained.clear()
    reproduce(other, tmp_path, jobs=1)
    assert len(trained) == (1 if second[one[0].place].figures else 0)


def test_a_failed_run_is_a_line_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    from cospike.reproduction.run import Outcome

    monkeypatch.setattr(module, "do", lambda job: Outcome(job.study.place, error="no room"))
    done = reproduce(WANTED, tmp_path, jobs=1)
    assert len(done.failures) == 3
    assert done.records == {}
    assert "failed: no room" in capsys.readouterr().err


def test_what_goes_wrong_within_a_run_is_told(tmp_path, digits):
    from cospike.reproduction.run import Job

    study = replace(WANTED[0], training={"epochs": 0})
    job = Job(study, configure_study(study, digits), tmp_path / "run", tmp_path / "figures", 1)
    outcome = do(job)
    assert outcome.record is None
    assert "'epochs'" in outcome.error


def test_two_do_not_write_one_folder(tmp_path):
    (tmp_path / "runs").mkdir()
    with FileLock(tmp_path / "runs" / ".lock"), pytest.raises(InputError, match="in use by another process"):
        reproduce(WANTED, tmp_path, jobs=1)


def test_a_damaged_record_is_told_before_anything_is_trained(tmp_path, trained):
    path = record_path(tmp_path, WANTED[0].place)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({}))
    with pytest.raises(InputError, match="Delete it"):
        reproduce(WANTED, tmp_path, jobs=1)
    assert trained == []


def test_every_run_has_a_name_of_its_own_and_the_most_telling_come_first():
    all_of_it = studies()
    places = [one.place for one in all_of_it]
    assert len(set(places)) == len(places)
    main = {
        (data, model, seed) for data in DATA for model in ("default", "paper", "vsc", "vae") for seed in range(SEEDS)
    }
    assert main <= set(places)
    assert {one.part for one in all_of_it[:8]} == {"main"}
    assert {one.place.seed for one in all_of_it[:8]} == {0}
    assert all(one in all_of_it for one in PUBLISHED)
    quick = quick_studies()
    assert {one.part for one in quick} == {one.part for one in all_of_it}
    assert {one.place.data for one in quick} == {"digits"}


def test_runs_of_the_main_part_are_the_benchmark_s(digits):
    from cospike.benchmark.recipes import MODELS
    from cospike.benchmark.run import configure, fingerprint

    for one in studies():
        if one.part == "main":
            theirs = configure(MODELS[one.recipe.name], digits, seed=one.place.seed)
            assert fingerprint(configure_study(one, digits)) == fingerprint(theirs)


def test_the_published_settings_are_those_of_the_replication(digits):
    config = configure_study(PUBLISHED[0], digits)
    assert (config["model"]["n_latents"], config["model"]["active_prior"], config["model"]["n_dense"]) == (200, 0.01, 0)
    assert config["training"] == {"epochs": 11, "batch_size": 32, "learning_rate": 1e-3, "seed": 0}
    assert config["objective"]["spikes"] == "relaxed"
    assert config["objective"]["warm_up"]["start"] == 1
    assert configure_study(PUBLISHED[1], digits)["model"]["n_dense"] == 200
