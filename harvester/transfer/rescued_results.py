"""Land results that never reached the bucket, fetched from the API instead; the delivered object replaces them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import xxhash

from harvester.destination import (
    RESCUED_FOLDER,
    RESCUED_KEY,
    DestinationWriter,
    LandedRow,
    Manifest,
    PathObstructedError,
    ProblemRow,
    destination_error,
    flush_file_system,
    own_path,
    purged_tasks,
    safe_path,
)
from harvester.error_codes import ErrorCode
from harvester.errors import DestinationUnusable, ExitCode, HarvesterError
from harvester.results import ContentTooLargeForMemory, ResultReader
from harvester.transfer.options import SyncOptions
from harvester.transfer.sync_report import SyncCounts


class RescuedResult(NamedTuple):
    """The result of one task, as the API gave it."""

    task_id: str
    """The task."""
    body: bytes
    """The result: most often JSON text."""
    suffix: str = ".json"
    """What its file name ends with, from the dot on."""


@dataclass(frozen=True, slots=True)
class RescuedLandings:
    """What was landed from the API."""

    landed: tuple[str, ...]
    """Task ids whose result lies here now."""
    quarantined: tuple[tuple[str, str], ...]
    """Task ids whose result is invalid, each with the reason."""


def land_results(
    root: Path, manifest: Manifest, results: Iterable[RescuedResult], options: SyncOptions
) -> RescuedLandings:
    """Validate and land rescued results as one run, which is recorded however it ends.

    Results of purged tasks are left out. Raises DestinationUnusable.
    """
    landing = _Landing(root, manifest, options)
    landing.remove_unrecorded()
    purged = purged_tasks(manifest)
    code = ExitCode.BUG
    try:
        for result in results:
            if result.task_id in purged:
                continue
            try:
                landing.land(result)
            except OSError as error:
                raise destination_error(root, error) from error
        code = ExitCode.PARTIAL if landing.quarantined else ExitCode.OK
    except HarvesterError as error:
        code = ExitCode(error.exit_code)
        raise
    finally:
        landing.finish(code)
    return RescuedLandings(tuple(landing.landed), tuple(landing.quarantined))


class _Landing:
    def __init__(self, root: Path, manifest: Manifest, options: SyncOptions) -> None:
        self._root = root
        self._manifest = manifest
        self._options = options
        self._reader = ResultReader(options.result)
        self._tree = DestinationWriter(str(root), "rescue")
        self._known = manifest.rescue_problems()
        self._run = 0
        self.landed: list[str] = []
        self.quarantined: list[tuple[str, str]] = []

    def remove_unrecorded(self) -> None:
        """Remove what a killed rescue has landed and not recorded: it is asked for again, or was delivered since."""
        folder = self._root / RESCUED_FOLDER
        if folder.is_symlink() or not folder.is_dir():
            return
        recorded = {row.path for row in self._manifest.rescued().values()}
        for entry in os.scandir(folder):
            path = f"{RESCUED_FOLDER}/{entry.name}"
            if entry.is_file(follow_symlinks=False) and path not in recorded:
                self._tree.remove(path)

    def land(self, result: RescuedResult) -> None:
        if not self._run:
            # A rescue that lands nothing is no run.
            self._run = self._manifest.begin_run()
        task_id, body, suffix = result
        key = RESCUED_KEY + task_id
        try:
            content, record = self._reader.read(body, f"{task_id}{suffix}")
        except ContentTooLargeForMemory:
            # Only gzip can inflate so far, and the API's answer has no encoding any more.
            self._quarantine(key, body, "too_large", "it inflates past what fits into memory")
            return
        problem = record.problem
        if problem is not None and problem.quarantine:
            self._quarantine(key, body, problem.reason.value, problem.detail)
            return
        name, mtime_ns = self._tree.write(content)
        path = rescued_path(task_id, suffix)
        try:
            self._tree.land(name, path)
        except PathObstructedError as error:
            self._tree.discard(name)
            raise DestinationUnusable(
                f"{self._root / path} cannot be written",
                cause="something that is not ours lies there, or a link leads elsewhere",
                code=ErrorCode.RESCUED_FOLDER_OCCUPIED,
                subject=str(self._root / path),
                parameters={"folder": str(self._root / RESCUED_FOLDER)},
            ) from error
        landed = LandedRow(
            key=key,
            etag=xxhash.xxh3_128_hexdigest(body),
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
            agent=record.agent,
        )
        self._manifest.record([landed], [], solved=[key])
        known = self._known.pop(task_id, None)
        if known is not None and known.path is not None:
            self._tree.remove(known.path)
        self.landed.append(task_id)

    def _quarantine(self, key: str, body: bytes, reason: str, detail: str) -> None:
        name, _ = self._tree.write(body)
        path = self._tree.quarantine(name, key)
        digest = xxhash.xxh3_128_hexdigest(body)
        task_id = key.removeprefix(RESCUED_KEY)
        known = self._known.get(task_id)
        row = ProblemRow(
            key=key,
            etag=digest,
            size=len(body),
            outcome="quarantined",
            reason=reason,
            detail=detail,
            first_run=self._run if known is None else known.first_run,
            run=self._run,
            path=path,
            digest=digest,
            fingerprint=self._options.fingerprint,
        )
        self._manifest.record([], [row])
        self.quarantined.append((task_id, reason))

    def finish(self, exit_code: ExitCode) -> None:
        """Make what was landed durable, and end the run."""
        if not self._run:
            return
        with contextlib.suppress(OSError):
            # Where the disk fails, the barrier stays: the next run reads again what was landed since.
            flush_file_system(self._root)
            self._manifest.set_barrier(self._manifest.last_seq())
        counts = dataclasses.asdict(SyncCounts(landed=len(self.landed), quarantined=len(self.quarantined)))
        counts = {"listed": len(self.landed) + len(self.quarantined), **counts}
        with contextlib.suppress(HarvesterError):
            self._manifest.end_run(self._run, int(exit_code), json.dumps({"rescue": True, "counts": counts}))


def rescued_path(task_id: str, suffix: str = ".json") -> str:
    """Return where a rescued result lies, relative to the destination."""
    name = f"{task_id}{suffix}"
    path, refusal = own_path(name, keep_compressed=True)
    if refusal or "/" in path:
        path = safe_path(name, keep_compressed=True).rpartition("/")[2]
    return f"{RESCUED_FOLDER}/{path}"
