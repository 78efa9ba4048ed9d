"""Export the rows of a destination as tables: exactly once, in whole files, by any number of exports at once.

The output decides how far it is: the name of its newest part is the position to go on from. What follows is built in a
local file, claimed, and published under the claimed name. A kill at any point leaves a claim at most, which the next
export completes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.extras import DELTA, PARQUET, require_extra
from harvester.location import parse_location
from harvester.sessions import StoreSettings
from harvester.tables.destination_rows import open_rows
from harvester.tables.exports.current_view import current_view
from harvester.tables.exports.delta_chain import DeltaChain
from harvester.tables.exports.export_types import ExportOptions, ExportReport
from harvester.tables.exports.file_chain import FileChain
from harvester.tables.exports.layout import Layout, plan_layout, read_layout
from harvester.tables.outputs import OutputStore, open_output
from harvester.tables.row_source import RowSource
from harvester.tables.table_columns import TableName


def export_rows(source: RowSource, store: OutputStore, options: ExportOptions | None = None) -> ExportReport:
    """Write the rows that the output does not hold yet.

    Raises ForeignPosition when the output is at a position of another history, ExportBehind when rows it does not hold
    were evicted, UsageError for an output of another destination or layout, IntegrityError for a damaged output.
    """
    options = options or ExportOptions()
    until = source.newest()
    while True:
        layout, name = plan_layout(store, options.layout(source.dest_id))
        report = ExportReport(store.url, layout.format)
        chain_type = DeltaChain if layout.format == "delta" else FileChain
        chains = [chain_type(source, store, layout, options, table, report) for table in TableName]
        for chain in chains:
            chain.check()
        # What is refused writes nothing. Another export may have recorded a layout meanwhile.
        if not name or store.create(name, layout.to_json()):
            break
    for chain in chains:
        chain.extend()
    report.position = until
    if options.start is None:
        consumer = f"export:{store.url}"
        source.acknowledge(consumer, until)
        report.consumer = consumer
    return report


def export(
    destination: Path | str,
    to: str,
    options: ExportOptions | None = None,
    *,
    settings: StoreSettings | None = None,
    state_dir: Path | None = None,
) -> ExportReport:
    """Write the rows of a destination that an output does not hold yet: a directory, ``s3://`` or ``gs://``.

    Raises what `export_rows` and `open_output` raise, and ConfigurationError when the destination was never synced.
    """
    if options is not None and options.format == "delta":
        require_extra(DELTA)  # it contains the packages of [parquet]
    require_extra(PARQUET, feature="an export")
    with open_rows(Path(destination), state_dir) as source:
        _check_apart(Path(destination), source.location, to)
        with open_output(to, settings) as store:
            return export_rows(source, store, options)


def _check_apart(destination: Path, location: str, to: str) -> None:
    """Raise UsageError for an output within the destination or its location, where parts would be synced as results."""
    scheme, separator, rest = to.partition("://")
    if separator and scheme != "file":
        overlaps = f"{to.rstrip('/')}/".startswith(location) and bool(location)
    else:
        path = Path(rest if separator else to).resolve()
        folders = [destination.resolve()]
        if location.startswith("file://"):
            folders.append(Path(parse_location(location).prefix).resolve())
        overlaps = any(path.is_relative_to(folder) for folder in folders)
    if overlaps:
        raise UsageError(
            f"{to} is within {destination} or the location that it mirrors",
            cause="parts there would be synced as results",
            code=ErrorCode.EXPORT_OUTPUT_OVERLAPS,
            subject=to,
        )


def print_views(outputs: Sequence[str], *, settings: StoreSettings | None = None) -> str:
    """Return the SQL of the views of current rows over outputs of one layout, for the tables that have parts.

    Raises UsageError for an output without a layout, or of layouts that differ.
    """
    layouts: list[Layout] = []
    holding: dict[str, list[str]] = {}
    for output in outputs:
        with open_output(output, settings) as store:
            layouts.append(read_layout(store))
            for table in sorted({name.split("/")[1] for name in store.names("data/")}):
                holding.setdefault(table, []).append(store.url)
    first = layouts[0]
    if any(layout._replace(dest_id=first.dest_id) != first for layout in layouts):
        raise UsageError(
            "the outputs have different layouts",
            cause="one view needs one format and the same columns",
            code=ErrorCode.EXPORT_OF_ANOTHER_LAYOUT,
            subject=", ".join(outputs),
        )
    return "\n".join(current_view(table, holding[table], first) for table in TableName if table in holding)
