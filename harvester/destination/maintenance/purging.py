"""Erase results for good: files, older versions, quarantined bytes, and what the manifest holds of them."""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester.destination.manifest import RESCUED_KEY, LandedRow, Manifest, ProblemRow, VersionRow, shown_key
from harvester.destination.opened import OpenDestination, open_destination, read_destination
from harvester.destination.paths import check_inside
from harvester.destination.tree import NoFollowTree
from harvester.destination.writer import DestinationWriter
from harvester.errors import HarvesterError, UsageError
from harvester.results import BrokenRows, Shape, numbered_rows, select

PURGE_REPORT_SCHEMA = "urn:nimble-harvester:purge-report:v1"


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """Which objects were, or would be, purged."""

    destination: str
    """The destination's path."""
    location: str
    """URL of its source."""
    keys: tuple[str, ...]
    """Their keys, in byte order; ``nimble-task:ID`` for a result that was rescued through the API."""
    files: int
    """Files removed: landed ones, older versions and quarantined bytes."""
    unreadable: tuple[str, ...]
    """Paths that could not be read for a URL, quarantined bytes among them."""
    evicted: int
    """Evicted objects, whose content could not be read for a URL."""
    dry_run: bool
    """Whether nothing was removed."""

    def as_document(self) -> dict[str, Any]:
        """Return the report as the JSON document that is published."""
        return {
            "schema": PURGE_REPORT_SCHEMA,
            "destination": self.destination,
            "location": self.location,
            "keys": list(self.keys),
            "files": self.files,
            "unreadable": list(self.unreadable),
            "evicted": self.evicted,
            "dry_run": self.dry_run,
        }


def purge(
    destination: Path | str,
    *,
    key: str | None = None,
    task_id: str | None = None,
    url: str | None = None,
    state_dir: Path | None = None,
    dry_run: bool = False,
) -> PurgeReport:
    """Erase the object with a key, the objects of a task, or those with a row whose ``url`` matches a glob.

    An object is erased whole, with its older versions, quarantined bytes and everything the manifest holds but its
    key. The tombstone keeps it from landing again and is read by consumers (``read(tombstones=True)``). The bucket is
    not touched. ``url`` is compared with the rows of landed objects and of the older versions kept of them; evicted
    objects, quarantined bytes and what cannot be read are not searched, and reported. Raises UsageError unless exactly
    one of the three is given, DestinationLocked, DestinationUnusable or ConfigurationError (never synced).
    """
    destination = Path(destination)
    if sum(each is not None for each in (key, task_id, url)) != 1:
        raise UsageError("choose what to purge by one of key, task_id and url")
    if dry_run:
        with read_destination(destination, state_dir) as opened:
            return _Purge(opened, destination, key, task_id, url).rehearse()
    with read_destination(destination, state_dir):
        # Raises for a destination that was never synced: opening it for writing would make one.
        pass
    with open_destination(destination, state_dir) as opened:
        return _Purge(opened, destination, key, task_id, url).run()


class _Purge:
    def __init__(
        self, opened: OpenDestination, destination: Path, key: str | None, task_id: str | None, url: str | None
    ) -> None:
        self._root = opened.root
        self._manifest = opened.manifest
        self._destination = destination
        self._key = key
        self._task_id = task_id
        self._url = None if url is None else re.compile(fnmatch.translate(url))
        self._tree = NoFollowTree(opened.root)
        self._unreadable: list[str] = []
        self._evicted = 0

    def rehearse(self) -> PurgeReport:
        chosen = self._chosen()
        return self._report(chosen, len(set(self._paths(chosen))), dry_run=True)

    def run(self) -> PurgeReport:
        chosen = self._chosen()
        paths = sorted(set(self._paths(chosen)))
        for path in paths:
            check_inside(path)
        writer = DestinationWriter(str(self._root), f"purge-{os.getpid()}")
        # The files first: once the rows are gone, nothing names what is left.
        for path in paths:
            writer.remove(path)
        if chosen:
            self._manifest.purge([(key, self._task_of(key)) for key in chosen])
        return self._report(chosen, len(paths), dry_run=False)

    def _report(self, chosen: list[str], files: int, *, dry_run: bool) -> PurgeReport:
        bound = self._manifest.binding()
        return PurgeReport(
            str(self._destination),
            "" if bound is None else bound.url,
            tuple(map(shown_key, chosen)),
            files,
            tuple(self._unreadable),
            self._evicted,
            dry_run,
        )

    def _task_of(self, key: str) -> str | None:
        return key.removeprefix(RESCUED_KEY) if key.startswith(RESCUED_KEY) else self._task_id

    def _chosen(self) -> list[str]:
        landed = {row.key for row in self._manifest.landed() if self._is_chosen(row)}
        if self._url is not None:
            landed |= {version.key for version in self._manifest.versions() if self._version_has_url(version)}
        return sorted(landed | {row.key for row in self._manifest.problems() if self._is_problem_chosen(row)})

    def _is_chosen(self, row: LandedRow) -> bool:
        if self._key is not None:
            return self._key in (row.key, shown_key(row.key))
        if self._task_id is not None:
            return row.task_id == self._task_id or (row.task_id is None and _name_of(row.key) == self._task_id)
        if row.evicted:
            self._evicted += row.shape not in (None, Shape.MEDIA.value)
            return False
        return self._has_url(row.path, row.shape)

    def _is_problem_chosen(self, row: ProblemRow) -> bool:
        if self._key is not None:
            return self._key in (row.key, shown_key(row.key))
        if self._url is not None and row.path is not None:
            self._unreadable.append(row.path)
        return self._task_id is not None and _name_of(row.key) == self._task_id

    def _version_has_url(self, version: VersionRow) -> bool:
        current = self._manifest.landed_row(version.key)
        if current is None:
            # Of which shape it was is not recorded.
            self._unreadable.append(version.path)
            return False
        return self._has_url(version.path, current.shape)

    def _has_url(self, path: str, shape: str | None) -> bool:
        if shape is None or shape == Shape.MEDIA:
            return False
        assert self._url is not None  # noqa: S101  # one of the three is given; narrows the type
        try:
            for _, text in numbered_rows(Path(self._tree.whole_path(path)), Shape(shape)):
                found = None if isinstance(text, BrokenRows) else select(text, "url")
                if found is not None and self._url.match(_text_of(found)):
                    return True
        except (OSError, HarvesterError):
            self._unreadable.append(path)
        return False

    def _paths(self, keys: list[str]) -> Iterator[str]:
        manifest, wanted = self._manifest, set(keys)
        for key in keys:
            row, problem = manifest.landed_row(key), manifest.problem(key)
            if row is not None and not row.evicted:
                yield row.path
            if problem is not None and problem.path is not None:
                yield problem.path
        yield from (version.path for version in manifest.versions() if version.key in wanted)


def _text_of(value: bytes) -> str:
    """Return the text of a JSON string, and any other value as it is written."""
    return str(json.loads(value)) if value.startswith(b'"') else value.decode("utf-8", "replace")


def _name_of(key: str) -> str:
    """Return the task that a delivered object's documented name is made of."""
    name = shown_key(key).rpartition("/")[2].removeprefix("nimble-task:").removesuffix(".gz")
    return name.rpartition(".")[0] or name


def purged_tasks(manifest: Manifest) -> frozenset[str]:
    """Return the tasks whose results were purged."""
    return frozenset(each.task_id or _name_of(each.key) for each in manifest.tombstones())
