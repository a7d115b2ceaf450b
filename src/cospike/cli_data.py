"""Commands about data sets: list them, fetch one. They join the app of `cospike.cli`."""

import sys
from dataclasses import asdict
from typing import Literal

from cospike.cli import data_app, note
from cospike.results import Result, of_files


@data_app.default
def list_data() -> Result:
    """List the data sets, with their licences and where they are found now.

    ```
    cospike data
    ```

    """
    from cospike.sources import list_datasets

    listings = list_datasets()

    def show() -> None:
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for column in ("name", "title", "licence", "where"):
            table.add_column(column, overflow="fold")
        for one in listings:
            table.add_row(one.name, one.title, one.licence, one.where)
        Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(table)

    return Result({"datasets": [asdict(one) for one in listings]}, show)


@data_app.command
def fetch(name: Literal["mnist", "fashion-mnist"]) -> Result:
    """Fetch a data set into the cache, check it against its published checksums, and print the folder.

    ```
    cospike data fetch fashion-mnist
    ```

    Args:
        name: The data set.
    """
    from cospike.sources import fetch_dataset

    return of_files(folder=fetch_dataset(name, say=note))
