"""Sync a location into an output, with a scratch folder in the place of a destination."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from harvester.destination import destination_error
from harvester.errors import ExitCode, HarvesterError
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.storage import KeyPrefixes, KeyRange, KeySelection, listing_scopes
from harvester.tables.direct.direct_series import DirectSeries
from harvester.tables.direct.exported_versions import ExportedVersions
from harvester.tables.exports import ExportOptions
from harvester.tables.outputs import open_output
from harvester.transfer import ExportHooks, Observer, SyncOptions, SyncReport, open_session

_PARTS_AT_ONCE: Final = 4
"""Landed bytes, in sizes of a part, after which they are exported: JSON takes about a quarter of them in Parquet."""


@dataclass(frozen=True, slots=True)
class DirectReport:
    """What a sync into an output did."""

    sync: SyncReport
    """The outcome of every object; its destination is the output, and its run 0: none is recorded."""
    series: str
    """The series that its parts belong to."""
    parts: int
    """Parts written."""
    rows: int
    """Rows written."""
    files: int
    """Landed objects without rows, stored as files."""
    oversized: int
    """Rows that are too long, and were not written."""
    misfits: dict[str, int]
    """By typed column, values that did not fit and are NULL."""

    @property
    def exit_code(self) -> ExitCode:
        """That of the sync, 3 with rows that are too long."""
        if self.sync.exit_code is ExitCode.OK and self.oversized:
            return ExitCode.PARTIAL
        return self.sync.exit_code


def sync_to_output(
    location: Location,
    out: str,
    options: SyncOptions | None = None,
    export: ExportOptions | None = None,
    *,
    keys: KeySelection | None = None,
    scratch: Path | None = None,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
) -> DirectReport:
    """Write the rows of every object of ``location`` that ``out`` does not hold, as a new series of parts.

    What is there is learned from the parts of the prefixes that are listed. Landed files lie in a scratch folder below
    ``scratch``, or the system's, until their part is committed. Raises what `open_session`, `open_output` and an
    export raise.
    """
    options, export, observer = options or SyncOptions(), export or ExportOptions(), observer or Observer()
    scopes = listing_scopes(location.prefix, keys if isinstance(keys, KeyRange | KeyPrefixes) else None)
    own = output_settings(out, location, settings)
    with (
        scratch_destination(scratch) as destination,
        open_output(out, own) as store,
        open_output(out, own) as read,
    ):
        series = DirectSeries(destination, store, export)
        with ExportedVersions(read, scopes) as exported:
            hooks = ExportHooks(exported.holds, exported.windows, _PARTS_AT_ONCE * export.part_bytes, series.commit)
            with open_session(
                location, destination, options, settings=settings, observer=observer, hooks=hooks
            ) as session:
                report = session.run_listing(keys)
        try:
            series.commit()
        except HarvesterError as error:
            report = replace(report, error=report.error or error, exit_code=ExitCode(error.exit_code))
    for warning in series.warnings():
        observer.warning(warning)
    return DirectReport(
        replace(report, destination=out, run=0),
        series.name,
        series.parts,
        series.rows,
        series.files,
        series.oversized,
        dict(series.misfits),
    )


def output_settings(out: str, location: Location, settings: StoreSettings | None) -> StoreSettings:
    """Return the settings for an output: without what is set about the bucket of the location."""
    given = settings or StoreSettings()
    endpoint = given.endpoint_url if out.partition("://")[0] == location.scheme else None
    return StoreSettings(endpoint_url=endpoint, profile=given.profile, region=given.region, retry=given.retry)


@contextlib.contextmanager
def scratch_destination(parent: Path | None) -> Iterator[Path]:
    """Yield a destination that is removed at the end. Raises DestinationUnusable where none can be made."""
    try:
        if parent is not None:
            parent.mkdir(parents=True, exist_ok=True)
        folder = TemporaryDirectory(prefix="nimble-direct-", dir=parent)
    except OSError as error:
        raise destination_error(parent or Path(), error) from error
    with folder as name:
        yield Path(name) / "results"
