"""Stage the rows of a shard, so that exactly one attempt of many becomes visible.

Attempts of one shard may run at once, each with a separate destination, so that their positions have nothing in
common. Each writes its parts below a separate folder, ``staging/SERIES/ATTEMPT/``. The caller then commits one
attempt by `OutputStore.create` of a file that holds its `StagedRows`, and any process that finds this file publishes
the parts: a part is copied whole under its name in ``data/``, where nothing else is ever written under that name.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError, UsageError
from harvester.extras import PARQUET, require_extra
from harvester.tables.destination_rows import open_rows
from harvester.tables.exports.export_types import ExportOptions, ExportReport
from harvester.tables.exports.exporting import export_rows
from harvester.tables.exports.layout import LAYOUT_FOLDER
from harvester.tables.exports.part_names import is_series, parse_part
from harvester.tables.outputs import OutputStore
from harvester.tables.row_source import RowSource

_STAGING: Final = "staging"
_ATTEMPT = re.compile(r"[0-9a-f]{16}", re.ASCII)


class StagedRows(NamedTuple):
    """The parts of one attempt, below its folder; `publish_staged` makes them visible."""

    series: str
    """The series, one for each shard."""
    attempt: str
    """Drawn at random."""
    parts: tuple[str, ...]
    """Names of the parts below the output once they are published: ``data/TABLE/landed_day=…/SERIES_….parquet``."""

    def as_document(self) -> dict[str, Any]:
        """Return the form to record in a commit."""
        return {"series": self.series, "attempt": self.attempt, "parts": list(self.parts)}

    @classmethod
    def from_document(cls, document: Any) -> StagedRows:
        """Return what was recorded. Raises IntegrityError for anything else."""
        try:
            series, attempt, parts = document["series"], document["attempt"], tuple(document["parts"])
            names = [parse_part(part) for part in parts]
            valid = is_series(series) and _ATTEMPT.fullmatch(attempt)
        except (LookupError, TypeError):
            valid, names = None, []
        if not valid or any(name is None or name.series != series for name in names):
            raise IntegrityError(
                "the commit of a shard names no staged rows", code=ErrorCode.EXPORT_DAMAGED, subject=_STAGING
            )
        return cls(series, attempt, parts)

    @property
    def folder(self) -> str:
        """The folder of the attempt below the output, with a slash at its end."""
        return f"{_STAGING}/{self.series}/{self.attempt}/"


def stage_rows(
    destination: Path | str, store: OutputStore, options: ExportOptions, *, state_dir: Path | None = None
) -> tuple[StagedRows, ExportReport]:
    """Write all rows of a destination as an attempt of the series ``options.series``; nothing is visible yet.

    The report counts what was written; its ``exit_code`` is not 0 with rows that are too long or files that cannot be
    read. Raises what `export` raises, and UsageError for Delta, whose commits are not files that can be copied.
    """
    require_extra(PARQUET, feature="an export")
    with open_rows(Path(destination), state_dir) as source:
        return stage_source(source, store, options)


def stage_source(source: RowSource, store: OutputStore, options: ExportOptions) -> tuple[StagedRows, ExportReport]:
    """Write all rows of a source as `stage_rows` does those of a destination."""
    if options.format == "delta":
        raise UsageError(
            "a shard cannot be exported as delta",
            cause="shards are staged as files: parquet or jsonl",
            code=ErrorCode.EXPORT_FORMAT_UNSUPPORTED,
            subject=options.format,
        )
    staged = StagedRows(options.series, secrets.token_hex(8), ())
    report = export_rows(source, StagedOutput(store, staged.folder), options)
    parts = sorted(name.removeprefix(staged.folder) for name in store.names(f"{staged.folder}data/"))
    return staged._replace(parts=tuple(parts)), report


def publish_staged(store: OutputStore, staged: StagedRows) -> None:
    """Make the parts of a committed attempt visible; killed at any point, it is called again.

    Any number of processes may publish one attempt at once.
    """
    for part in staged.parts:
        if not store.exists(part):
            store.copy(staged.folder + part, part)


def remove_staged(store: OutputStore, staged: StagedRows) -> None:
    """Remove the folder of a published attempt, or of one that no commit names."""
    for name in list(store.names(staged.folder)):
        store.remove(name)


def staged_attempts(store: OutputStore) -> Iterator[StagedRows]:
    """Yield every attempt that has files in the staging folder, without its parts."""
    found = {tuple(name.split("/")[1:3]) for name in store.names(f"{_STAGING}/")}
    for series, attempt in sorted(found):
        if is_series(series) and _ATTEMPT.fullmatch(attempt):
            yield StagedRows(series, attempt, ())


class StagedOutput:
    """The folder of an attempt as a separate output with the layout of the whole."""

    def __init__(self, store: OutputStore, folder: str) -> None:
        """Take the whole output, and the folder with a slash at its end."""
        self._store = store
        self._folder = folder
        self.url = store.url
        self.scratch, self.delta_options = store.scratch, store.delta_options

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names below a folder."""
        name, start = self._placed(prefix), len(self._placed(prefix)) - len(prefix)
        return (found[start:] for found in self._store.names(name))

    def read(self, name: str) -> bytes | None:
        """Return a small file; None if there is none."""
        return self._store.read(self._placed(name))

    def size(self, name: str) -> int:
        """Return the bytes of a file."""
        return self._store.size(self._placed(name))

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Return some bytes of a file."""
        return self._store.read_range(self._placed(name), start, stop)

    def create(self, name: str, content: bytes) -> bool:
        """Create a file whole; return False if one is there."""
        return self._store.create(self._placed(name), content)

    def publish(self, file: Path, name: str) -> bool:
        """Create a file whole from a local one; return False if one is there."""
        return self._store.publish(file, self._placed(name))

    def exists(self, name: str) -> bool:
        """Return whether there is a file."""
        return self._store.exists(self._placed(name))

    def copy(self, source: str, target: str) -> None:
        """Make a file appear whole under a second name."""
        self._store.copy(self._placed(source), self._placed(target))

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._store.remove(self._placed(name))

    def _placed(self, name: str) -> str:
        return name if name.startswith(LAYOUT_FOLDER) else self._folder + name
