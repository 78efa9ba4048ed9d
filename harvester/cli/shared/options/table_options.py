"""The options of how rows are written as tables, shared by every verb that writes some."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import click

from harvester.cli.shared.options.parameters import SIZE

if TYPE_CHECKING:
    from harvester.tables import ExportOptions

_Command = TypeVar("_Command", bound=Callable[..., Any])
TABLE_PARAMETERS = ("table_format", "compression", "columns", "drop", "part_size", "max_value")
"""Names of the parameters that `table_choices` adds."""


class TableChoice(NamedTuple):
    """How rows are written, as the options state it."""

    table_format: Literal["parquet", "jsonl", "delta"]
    compression: Literal["zstd", "gzip"]
    columns: Path | None
    drop: str | None
    part_size: int
    max_value: int

    def export_options(self) -> ExportOptions:
        """Return it with the file of typed columns read. Raises UsageError for a file that holds none."""
        # Loaded by the runs that export.
        from harvester.tables import ExportOptions, read_columns

        return ExportOptions(
            format=self.table_format,
            compression=self.compression,
            columns=() if self.columns is None else read_columns(self.columns),
            drop=tuple(name.strip() for name in self.drop.split(",")) if self.drop else (),
            part_bytes=self.part_size,
            value_bytes=self.max_value,
        )


def table_options(command: _Command) -> _Command:
    """Add the options; the command receives one ``tables``, with the file of typed columns read."""

    @functools.wraps(command)
    def with_tables(**values: Any) -> Any:
        choice = TableChoice(**{name: values.pop(name) for name in TABLE_PARAMETERS})
        return command(tables=choice.export_options(), **values)

    return table_choices(with_tables, "--as")  # type: ignore[return-value]  # the same command with further options


def table_choices(command: Callable[..., Any], format_name: str, condition: str = "") -> Callable[..., Any]:
    """Add the options as they are, that of the file format under a name, each help text after a condition."""
    for option in (
        click.option(
            "--max-value",
            type=SIZE,
            default="16MB",
            show_default=True,
            help=f"{condition}Leave out and count longer rows.",
        ),
        click.option(
            "--part-size",
            type=SIZE,
            default="128MB",
            show_default=True,
            help=f"{condition}Complete a file at this size.",
        ),
        click.option(
            "--drop",
            metavar="COLUMNS",
            help=f"{condition}Columns to leave out, with commas: html, markdown, parsing, rest.",
        ),
        click.option(
            "--columns",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help=f"{condition}Typed columns: a JSON array of name, pointer (JSON pointer into the row) and type.",
        ),
        click.option(
            "--compression",
            type=click.Choice(["zstd", "gzip"]),
            default="zstd",
            show_default=True,
            help=f"{condition}Of JSON Lines; Parquet has zstd.",
        ),
        click.option(
            format_name,
            "table_format",
            type=click.Choice(["parquet", "jsonl", "delta"]),
            default="parquet",
            show_default=True,
            help=f"{condition}File format.",
        ),
    ):
        command = option(command)
    return command
