"""A reproduction on a terminal: the verdicts; the page has the rest."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cospike._text import one_line
from cospike.reproduction.claims import Claim

_STYLES = {
    "reproduced": "bold green",
    "also true without the loss": "bold",
    "reproduced in part": "bold yellow",
    "not reproduced": "bold red",
}


def print_claims(claims: Sequence[Claim]) -> None:
    """Print a line a claim: what, on what, the verdict and the number that says so."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for head in ("claim", "on", "verdict", "the number"):
        table.add_column(head, overflow="fold")
    for one in claims:
        style = _STYLES.get(one.verdict, "dim")
        table.add_row(
            escape(one.text),
            escape(one_line(one.data)),
            f"[{style}]{one.verdict}[/{style}]",
            escape(one_line(one.number)),
        )
    Console(highlight=False).print(table)
