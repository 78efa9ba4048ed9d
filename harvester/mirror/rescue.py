"""Land results that never reached the bucket, fetched from the API instead; they give way to the delivered object."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import xxhash

from harvester.errors import ExitCode
from harvester.manifest import RESCUED_KEY, LandedRow, Manifest, ProblemRow
from harvester.mirror.destination import flush_file_system, open_destination
from harvester.mirror.landing import Destination
from harvester.mirror.options import SyncOptions
from harvester.mirror.paths import RESCUED_FOLDER, own_path, safe_path
from harvester.result import ContentTooLargeForMemory, ResultReader


class RescuedResult(NamedTuple):
    """The result of one task, as the API gave it."""

    task_id: str
    """The task."""
    body: bytes
    """The JSON text."""


@dataclass(frozen=True, slots=True)
class RescueReport:
    """What was landed from the API."""

    landed: tuple[str, ...]
    """Task ids whose result lies here now."""
    quarantined: tuple[tuple[str, str], ...]
    """Task ids whose result is invalid, each with the reason."""


def land_rescued(
    destination: Path, results: Iterable[RescuedResult], options: SyncOptions | None = None
) -> RescueReport:
    """Validate results like delivered ones and land them below ``_rescued/``, marked as rescued in the manifest.

    The destination is held while ``results`` is iterated. When the delivered object of the same task lands later, the
    rescued one is removed. Raises DestinationLocked or DestinationUnusable; OSError when a write fails.
    """
    options = options or SyncOptions()
    with open_destination(destination, options.state_dir) as opened:
        landing = _Landing(opened.root, opened.manifest, options)
        for result in results:
            landing.land(result)
        return landing.finish()


class _Landing:
    def __init__(self, root: Path, manifest: Manifest, options: SyncOptions) -> None:
        self._root = root
        self._manifest = manifest
        self._options = options
        self._reader = ResultReader(options.result)
        self._tree = Destination(str(root), "rescue")
        self._run = manifest.begin_run()
        self._landed: list[str] = []
        self._quarantined: list[tuple[str, str]] = []

    def land(self, result: RescuedResult) -> None:
        task_id, body = result
        key = RESCUED_KEY + task_id
        etag = xxhash.xxh3_128_hexdigest(body)
        try:
            content, record = self._reader.read(body, f"{task_id}.json")
        except ContentTooLargeForMemory:
            # Only gzip can inflate so far, and the API's answer has no encoding any more.
            self._quarantined.append((task_id, "too_large"))
            return
        problem = record.problem
        if problem is not None and problem.quarantine:
            name, _ = self._tree.write(body)
            path = self._tree.quarantine(name, key)
            row = ProblemRow(
                key,
                etag,
                len(body),
                "quarantined",
                problem.reason.value,
                problem.detail,
                self._run,
                self._run,
                path,
                etag,
                self._options.fingerprint,
            )
            self._manifest.record([], [row])
            self._quarantined.append((task_id, problem.reason.value))
            return
        name, mtime_ns = self._tree.write(content)
        path = rescued_path(task_id)
        self._tree.land(name, path)
        landed = LandedRow(
            key=key,
            etag=etag,
            size=len(body),
            last_modified=time.time(),
            path=path,
            content_size=record.size,
            mtime_ns=mtime_ns,
            digest=record.digest,
            seq=self._manifest.take_seq(),
            run=self._run,
            landed_at=time.time(),
            shape=None if record.shape is None else record.shape.value,
            encoding=record.encoding,
            # The task it was asked for: a body may lack its own id.
            task_id=task_id,
            status=record.status,
            rows=record.rows,
            origin="rescued",
            evicted=0,
            gone=0,
        )
        self._manifest.record([landed], [], solved=[key])
        self._landed.append(task_id)

    def finish(self) -> RescueReport:
        if self._landed:
            flush_file_system(self._root)
            self._manifest.set_barrier(self._manifest.last_seq())
        counts = {"landed": len(self._landed), "quarantined": len(self._quarantined)}
        exit_code = ExitCode.PARTIAL if self._quarantined else ExitCode.OK
        self._manifest.end_run(self._run, int(exit_code), json.dumps({"rescue": True, "counts": counts}))
        return RescueReport(tuple(self._landed), tuple(self._quarantined))


def rescued_path(task_id: str) -> str:
    """Return where a rescued result lies, relative to the destination."""
    path, refusal = own_path(f"{task_id}.json", keep_compressed=True)
    if refusal or "/" in path:
        path = safe_path(f"{task_id}.json", keep_compressed=True).rpartition("/")[2]
    return f"{RESCUED_FOLDER}/{path}"
