"""All runs of a reproduction: each finished one is a record, and what has a record is not trained again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib

from cospike._errors import InputError
from cospike._reading import refuse_links
from cospike.benchmark.files import Cell, one_process, remove_run, run_folder
from cospike.benchmark.parallel import RunsDisplay, in_parallel
from cospike.benchmark.run import fingerprint
from cospike.data import Dataset, load_dataset
from cospike.reproduction.record import Record, read_records, write_record
from cospike.reproduction.run import Job, configure_study, do
from cospike.reproduction.studies import Study


@dataclass(frozen=True)
class Reproduction:
    """What was asked for, and what is known of it.

    Attributes:
        n_runs: how many runs it has.
        records: those that are done, by their names, in the order in which they were asked for.
        failures: a line a failed run.
    """

    n_runs: int
    records: dict[Cell, Record]
    failures: tuple[str, ...] = ()


def reproduce(studies: Sequence[Study], out: Path, *, jobs: int | None = None) -> Reproduction:
    """Train and record what is missing in ``out``, or was trained with other settings.

    Args:
        studies: what to run, the most telling first.
        out: the folder of the reproduction; other records in it stay.
        jobs: processes; default: one a core. The cores are shared out among them.

    Raises:
        InputError: for data that are not there, a damaged record, or an ``out`` that another process works in.
        KeyboardInterrupt: on Ctrl-C; what is finished is kept, and a run half done goes on the next time.
    """
    cores = joblib.cpu_count()
    jobs = cores if jobs is None else jobs
    if jobs < 1:
        raise InputError(f"'jobs' of a reproduction must be at least 1, got {jobs}.")
    known = read_records(out)
    datasets = {name: load_dataset(name) for name in dict.fromkeys(study.place.data for study in studies)}
    refuse_links(*(out / name for name in ("records", "figures")), *(out / "runs" / name for name in datasets))
    wanted = [_job(study, datasets, out, max(1, cores // jobs)) for study in studies]
    failures = []
    with one_process(out):
        todo = [job for job in wanted if not _is_done(job, known, out)]
        with RunsDisplay(len(wanted), len(wanted) - len(todo)) as display:
            for outcome in in_parallel(do, todo, jobs, display, name=lambda job: str(job.study.place)):
                display.end(str(outcome.place), outcome.error)
                if outcome.record is None:
                    failures.append(f"{outcome.place}: {outcome.error}")
                    continue
                write_record(out, outcome.record)
                known[outcome.place] = outcome.record
                remove_run(out, outcome.place)
    fresh = [job.study.place for job in wanted if _is_done(job, known, out)]
    return Reproduction(len(wanted), {place: known[place] for place in fresh}, tuple(failures))


def kept(studies: Iterable[Study], out: Path) -> Reproduction:
    """What is kept of the studies in ``out``, without data or training."""
    wanted, known = [study.place for study in studies], read_records(out)
    return Reproduction(len(wanted), {place: known[place] for place in wanted if place in known})


def _job(study: Study, datasets: dict[str, Dataset], out: Path, threads: int) -> Job:
    config = configure_study(study, datasets[study.place.data])
    return Job(study, config, run_folder(out, study.place), out / "figures", threads)


def _is_done(job: Job, known: dict[Cell, Record], out: Path) -> bool:
    """Whether its record is of these settings, and its figures are there."""
    record = known.get(job.study.place)
    if record is None or record.fingerprint != fingerprint(job.config):
        return False
    return all((out / "figures" / name).is_file() for name in record.figures.values())
