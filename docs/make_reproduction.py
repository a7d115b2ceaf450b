"""The page docs/reproduction.md, from the records that `cospike reproduce` left in benchmarks/reproduction.

python docs/make_reproduction.py
"""

from pathlib import Path

from cospike._files import write_atomic
from cospike.reproduction.page import format_page, gather, shared_figures

ROOT = Path(__file__).parent.parent
KEPT, ROWS, PAGE = (
    ROOT / "benchmarks" / "reproduction",
    ROOT / "benchmarks" / "results",
    ROOT / "docs" / "reproduction.md",
)


def make() -> tuple[str, dict[str, str]]:
    """The page, and the figures that are of several runs, by the name of their file."""
    results = gather(KEPT, ROWS)
    return format_page(results, figures="../benchmarks/reproduction/figures"), shared_figures(results)


if __name__ == "__main__":
    page, figures = make()
    for name, svg in figures.items():
        write_atomic(KEPT / "figures" / name, svg)
    write_atomic(PAGE, page)
    print(PAGE)
