"""A benchmark on a terminal: what a first look needs; the page has the rest."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cospike._text import one_line
from cospike.benchmark.page import COLUMNS, Section

HEADLINES = (
    "neg_elbo",
    "consistency_gap_specific",
    "probe_codes",
    "active_per_sample_exact",
)
"""The measures that are printed, in reading order."""

_ARROWS = {"higher": " ↑", "lower": " ↓"}


def print_benchmark(sections: Sequence[Section]) -> None:
    """Print a table a data set, a row a model: means over seeds, half of their intervals; the best mean is bold."""
    console = Console(highlight=False)
    for section in sections:
        entries = {name: section.definitions[name] for name in HEADLINES if name in section.definitions}
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column(escape(one_line(section.data)), no_wrap=True)
        for name, entry in entries.items():
            unit = "%" if entry["unit"] == "fraction" else escape(one_line(entry["unit"]))
            head = COLUMNS[name] + _ARROWS.get(entry["direction"], "")
            table.add_column(f"{head}\n[dim]{unit}[/dim]", justify="right", no_wrap=True)
        for model, cells in section.table.items():
            texts = {name: f"{cell.text} ± {cell.half}" if cell.half else cell.text for name, cell in cells.items()}
            bold = {name: f"[bold]{text}[/bold]" if cells[name].best else text for name, text in texts.items()}
            table.add_row(model, *(bold.get(name, "-") for name in entries))
        console.print(table)
    of_two = "; of two the mean alone" if any(section.of_two for section in sections) else ""
    console.print(f"[dim]test rows; mean over seeds ± half of its 95 % interval{of_two}[/dim]")
