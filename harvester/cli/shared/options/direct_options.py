"""The options of runs without a lasting destination, whose rows go to an output while they are landed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from harvester.cli.shared.options.option_errors import options_exclusive
from harvester.cli.shared.options.parameters import SIZE

if TYPE_CHECKING:
    from harvester.tables import ExportOptions

_Command = TypeVar("_Command", bound=Callable[..., Any])


class DirectTarget(NamedTuple):
    """Where the rows of a run without DEST go."""

    out: str
    """The output."""
    format: str
    """``parquet`` or ``jsonl``."""
    part_bytes: int
    """Size of a part."""

    def export_options(self) -> ExportOptions:
        """Return how rows are written."""
        # Loaded by the runs that export.
        from harvester.tables import ExportOptions

        return ExportOptions(format="jsonl" if self.format == "jsonl" else "parquet", part_bytes=self.part_bytes)


def direct_options(command: _Command) -> _Command:
    """Add the options; the command receives ``dest`` or ``direct``, of which exactly one is not None."""

    @functools.wraps(command)
    def with_target(*, dest: Path | None, export_to: str | None, export_as: str, part_size: int, **values: Any) -> Any:
        if (dest is None) == (export_to is None):
            raise options_exclusive(
                "neither DEST nor --export-to is given" if dest is None else "DEST and --export-to exclude each other",
                "a directory, e.g. ./results",
                "--export-to s3://BUCKET/PREFIX",
                cause="what lands is kept in DEST, or goes to the output at once and is kept nowhere else",
            )
        direct = None if export_to is None else DirectTarget(export_to, export_as, part_size)
        return command(dest=dest, direct=direct, **values)

    for option in (
        click.option(
            "--part-size", type=SIZE, default="128MB", show_default=True, help="With --export-to: size of a file."
        ),
        click.option(
            "--export-as",
            type=click.Choice(["parquet", "jsonl"]),
            default="parquet",
            show_default=True,
            help="With --export-to: file format.",
        ),
        click.option(
            "--export-to",
            metavar="OUT",
            help="Instead of DEST: write rows as tables to a directory, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX, and"
            " keep nothing here. What OUT holds is unchanged.",
        ),
    ):
        option(with_target)
    return with_target  # type: ignore[return-value]  # the same command with further options
