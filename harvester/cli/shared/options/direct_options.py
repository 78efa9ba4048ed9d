"""The options of runs without a lasting destination, whose rows go to an output while they are landed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
from click.core import ParameterSource

from harvester.cli.shared.options.option_errors import option_inapplicable, options_exclusive
from harvester.cli.shared.options.table_options import TABLE_PARAMETERS, TableChoice, table_choices

if TYPE_CHECKING:
    from harvester.tables import ExportOptions

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FORMAT = "--export-as"


class DirectTarget(NamedTuple):
    """Where the rows of a run without DEST go."""

    out: str
    """The output."""
    tables: TableChoice
    """How they are written."""

    def export_options(self) -> ExportOptions:
        """Return how rows are written. Raises UsageError for a file of typed columns that holds none."""
        return self.tables.export_options()


def direct_options(command: _Command) -> _Command:
    """Add the options; the command receives ``dest`` or ``direct``, of which exactly one is not None."""

    @functools.wraps(command)
    def with_target(*, dest: Path | None, export_to: str | None, **values: Any) -> Any:
        if (dest is None) == (export_to is None):
            raise options_exclusive(
                "neither DEST nor --export-to is given" if dest is None else "DEST and --export-to exclude each other",
                "a directory such as ./results",
                "--export-to s3://BUCKET/PREFIX",
                cause="what lands is kept in DEST, or goes to the output at once and is kept nowhere else",
            )
        tables = TableChoice(**{name: values.pop(name) for name in TABLE_PARAMETERS})
        if export_to is None:
            _refuse_table_options(dest)
        direct = None if export_to is None else DirectTarget(export_to, tables)
        return command(dest=dest, direct=direct, **values)

    option = click.option(
        "--export-to",
        metavar="OUT",
        help="Instead of DEST: write rows as tables to a directory, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX, and"
        " keep nothing here. What OUT holds is unchanged.",
    )
    # The same command with further options.
    return option(table_choices(with_target, _FORMAT, "With --export-to: "))  # type: ignore[return-value]


def _refuse_table_options(dest: Path | None) -> None:
    """Raise UsageError for an option of tables on the command line, where nothing is written as a table."""
    context = click.get_current_context()
    for name in TABLE_PARAMETERS:
        # Environment variables may apply to every verb of a machine.
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = _FORMAT if name == "table_format" else f"--{name.replace('_', '-')}"
            raise option_inapplicable(
                f"{option} applies to the rows of an output",
                option,
                cause=f"{dest} holds results as they were delivered; export writes their rows as tables",
                needs="--export-to OUT",
            )
