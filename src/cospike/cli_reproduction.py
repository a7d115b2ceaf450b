"""The command `cospike reproduce`, which joins the app of `cospike.cli`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cospike._errors import InputError
from cospike.cli import app
from cospike.options import whole
from cospike.results import Result

_Flag = Parameter(negative="")
_Whole = Annotated[int, Parameter(converter=whole)]

_OUT, _QUICK_OUT, _ROWS = Path("benchmarks/reproduction"), Path("runs/reproduction"), Path("benchmarks/results")


@app.command
def reproduce(
    *,
    out: Path | None = None,
    quick: Annotated[bool, _Flag] = False,
    jobs: _Whole | None = None,
    rows: Path | None = None,
) -> Result:
    """Make all that the paper claims, claim by claim, on MNIST and Fashion-MNIST, and a page that says what holds.

    VAE, VSC (λ = 0), the paper's model and cospike's default are trained alike, with three seeds; what goes wrong and
    what the settings change, with one; VSC's own figures, at their published settings. Each finished run is a record
    below OUT/records, with figures, and is not trained again: run the same command again after an interruption.

    The first of these takes a minute, on digits, and shows every part of the page; the second, hours on two cores.

    ```
    cospike reproduce --quick
    cospike reproduce --out benchmarks/reproduction
    ```

    Args:
        out: The folder: index.md, records and figures (default: benchmarks/reproduction; with --quick,
            runs/reproduction).
        quick: A minute: tiny runs on digits, whose numbers mean nothing.
        jobs: Processes at a time (default: one a core).
        rows: The folder of a benchmark, whose rows know more seeds of what both measure (default: benchmarks/results,
            if it is there).
    """
    if rows is not None and not (rows / "rows.jsonl").is_file():
        raise InputError(
            f"'--rows' must be the folder of a benchmark, got {rows}, which has no rows.jsonl. Leave it out."
        )
    rows = _ROWS if rows is None and (_ROWS / "rows.jsonl").is_file() else rows
    out = (_QUICK_OUT if quick else _OUT) if out is None else out
    from cospike.folders import writing
    from cospike.progress import working
    from cospike.reproduction.claims import judge_claims
    from cospike.reproduction.grid import reproduce as run_all
    from cospike.reproduction.page import gather, write_page
    from cospike.reproduction.studies import quick_studies, studies
    from cospike.reproduction.terminal import print_claims

    with writing(out / "runs", again="run the same command again"):
        done = run_all(quick_studies() if quick else studies(), out, jobs=jobs)
        with working("writing the page"):
            results = gather(out, rows)
            page = write_page(out, results)
    claims = judge_claims(results)
    n_failed = len(done.failures)
    failure = f"{n_failed} of {done.n_runs} runs failed. The same command tries them again." if n_failed else ""

    def show() -> None:
        print_claims(claims)
        print(page)

    values = {"page": str(page), "runs": done.n_runs, "failed": n_failed, "claims": [asdict(one) for one in claims]}
    return Result(values, show, failure)
