"""The options of how rows are written as tables, shared by every verb that writes some."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from harvester.cli.shared.options.parameters import SIZE
from harvester.tables import DROPPABLE, ExportOptions, read_columns

_Command = TypeVar("_Command", bound=Callable[..., Any])


def table_options(command: _Command) -> _Command:
    """Add the options; the command receives one ``tables``, with the file of typed columns read."""

    @functools.wraps(command)
    def with_tables(
        *,
        format_: Any,
        compression: Any,
        columns: Path | None,
        drop: str | None,
        part_size: int,
        max_value: int,
        **values: Any,
    ) -> Any:
        tables = ExportOptions(
            format=format_,
            compression=compression,
            columns=() if columns is None else read_columns(columns),
            drop=tuple(name.strip() for name in drop.split(",")) if drop else (),
            part_bytes=part_size,
            value_bytes=max_value,
        )
        return command(tables=tables, **values)

    for option in (
        click.option(
            "--max-value", type=SIZE, default="16MB", show_default=True, help="Leave out and count longer rows."
        ),
        click.option(
            "--part-size", type=SIZE, default="128MB", show_default=True, help="Complete a file at this size."
        ),
        click.option("--drop", metavar="COLUMNS", help=f"Columns to leave out, with commas: {', '.join(DROPPABLE)}."),
        click.option(
            "--columns",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Typed columns: a JSON array of name, pointer (JSON pointer into the row) and type.",
        ),
        click.option(
            "--compression",
            type=click.Choice(["zstd", "gzip"]),
            default="zstd",
            show_default=True,
            help="Of JSON Lines; Parquet has zstd.",
        ),
        click.option(
            "--as",
            "format_",
            type=click.Choice(["parquet", "jsonl", "delta"]),
            default="parquet",
            show_default=True,
            help="File format.",
        ),
    ):
        option(with_tables)
    return with_tables  # type: ignore[return-value]  # the same command with further options
