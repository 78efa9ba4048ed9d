"""Fetch missing or invalid results through the results API and land them."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from harvester.errors import AccessDenied, ConnectionFailed, HarvesterError
from harvester.nimble_api import NimbleClient, Task, TaskResult, UnknownId, map_concurrently
from harvester.reconciliation.matching import ReconciledTask, TaskReason
from harvester.reconciliation.upstream_status import WaitObserver
from harvester.transfer import RescuedResult, SyncOptions, land_rescued

TOLERATED_FAILURES = 10
"""Consecutive failures, after the client's retries, that end the rescue."""
_JSON = ".json"


@dataclass(frozen=True, slots=True)
class FailedRescue:
    """A result that the API did not return."""

    task_id: str
    """The task."""
    reason: TaskReason
    """EXPIRED or NOT_HELD: the API's answer, final; RESCUE_FAILED: no answer, can be retried."""
    detail: str
    """The API's message."""


@dataclass(frozen=True, slots=True)
class RescueReport:
    """Outcome of the results that were requested through the API."""

    landed: tuple[str, ...] = ()
    """Ids of tasks whose result has landed, marked as rescued."""
    quarantined: tuple[tuple[str, str], ...] = ()
    """Ids of tasks whose result is invalid, each with the reason."""
    failed: tuple[FailedRescue, ...] = ()
    """Results that the API did not return."""
    error: HarvesterError | None = None
    """What ended the rescue early."""

    def explain(self, task: ReconciledTask) -> ReconciledTask:
        """Return an incomplete task with the reason that the rescue has found."""
        found = {each.task_id: each.reason for each in self.failed}
        found |= dict.fromkeys((task_id for task_id, _ in self.quarantined), TaskReason.RESCUED_INVALID)
        reason = found.get(task.task.id)
        return task if reason is None or not task.rescuable else replace(task, reason=reason)


def rescue_results(
    destination: Path,
    client: NimbleClient,
    tasks: Sequence[ReconciledTask],
    options: SyncOptions,
    observer: WaitObserver,
) -> RescueReport:
    """Request the result of every rescuable task concurrently and land the results one by one.

    The expected end of retention prevents no attempt: only the API's answer proves an expiry. The failure of one task
    does not end the rescue of the others; a rejected key, an exhausted budget, an unreachable API and an unusable
    destination do, and are the report's ``error``. Raises Interrupted; what has landed is kept.
    """
    wanted = {task.task.id: task.task for task in tasks if task.rescuable}
    failed: list[FailedRescue] = []
    stopped: list[HarvesterError] = []

    def fetched() -> Iterator[RescuedResult]:
        failures = 0
        results = map_concurrently(client.results, wanted, stop=observer.stop_signal)
        for done, (task_id, answer) in enumerate(results, start=1):
            if isinstance(answer, TaskResult):
                failures = 0
                yield RescuedResult(task_id, answer.content, _suffix(wanted[task_id], answer))
            elif isinstance(answer, UnknownId):
                failures = 0
                reason = TaskReason.EXPIRED if answer.expired else TaskReason.NOT_HELD
                failed.append(FailedRescue(task_id, reason, answer.cause or answer.what))
            else:
                failures = failures + 1 if isinstance(answer, ConnectionFailed) else 0
                failed.append(FailedRescue(task_id, TaskReason.RESCUE_FAILED, answer.cause or answer.what))
                if isinstance(answer, AccessDenied) or failures >= TOLERATED_FAILURES:
                    stopped.append(answer)
                    return
            observer.rescued(done, len(wanted))

    report = land_rescued(destination, fetched(), options)
    return RescueReport(report.landed, report.quarantined, tuple(failed), stopped[0] if stopped else None)


def _suffix(task: Task, result: TaskResult) -> str:
    """Return the extension of the file name; it identifies media."""
    if "json" in result.content_type or not result.content_type:
        return _JSON
    if task.output_url:
        name = unquote(urlsplit(task.output_url).path).removesuffix(".gz")
        delivered = PurePosixPath(name).suffix
        if delivered and delivered[1:].isalnum() and len(delivered) <= 8:
            return delivered
    if result.content_type.partition("/")[0] in {"image", "audio", "video"} or result.content_type == "application/pdf":
        return mimetypes.guess_extension(result.content_type) or _JSON
    return _JSON
