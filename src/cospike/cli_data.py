"""Commands about data sets: list them, fetch one. They join the app of `cospike.cli`."""

from typing import Literal

from cospike.cli import data_app, note


@data_app.default
def list_data() -> None:
    """List the data sets, with their licences and where they are found now."""
    from rich.console import Console
    from rich.table import Table

    from cospike.sources import list_datasets

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("name", "title", "licence", "where"):
        table.add_column(column, overflow="fold")
    for listing in list_datasets():
        table.add_row(listing.name, listing.title, listing.licence, str(listing.where))
    Console(highlight=False).print(table)


@data_app.command
def fetch(name: Literal["mnist", "fashion-mnist"]) -> None:
    """Fetch a data set into the cache, check it against its published checksums, and print the folder.

    Args:
        name: The data set.
    """
    from cospike.sources import fetch_dataset

    print(fetch_dataset(name, say=note))
