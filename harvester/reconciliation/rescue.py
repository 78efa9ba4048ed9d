"""Fetch what never reached the bucket, or not whole, through the results API, and land it."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from harvester.errors import AccessDenied, ConnectionFailed, HarvesterError
from harvester.nimble_api import NimbleClient, NotThere, Task, TaskResult, ask_each
from harvester.reconciliation.matching import Reason, TaskAccount
from harvester.reconciliation.upstream import WaitObserver
from harvester.transfer import RescuedResult, SyncOptions, land_rescued

TOLERATED_FAILURES = 10
"""Results in a row that may fail, after the client's own retries, before the API counts as out of reach."""
_JSON = ".json"


@dataclass(frozen=True, slots=True)
class NotRescued:
    """A result that the API could not give."""

    task_id: str
    """The task."""
    reason: Reason
    """EXPIRED or NOT_HELD: the API's own answer; RESCUE_FAILED: no answer, so that another try may bring it."""
    words: str
    """What the API said."""


@dataclass(frozen=True, slots=True)
class Rescue:
    """What became of the results that were asked for through the API."""

    landed: tuple[str, ...] = ()
    """Task ids whose result lies here now, marked as rescued."""
    quarantined: tuple[tuple[str, str], ...] = ()
    """Task ids whose result is invalid, each with the reason."""
    lost: tuple[NotRescued, ...] = ()
    """What the API could not give."""
    error: HarvesterError | None = None
    """What ended the rescue before everything was asked for."""

    def explain(self, account: TaskAccount) -> TaskAccount:
        """Return the account of a task that is still a gap with the reason that the rescue has found."""
        found = {each.task_id: each.reason for each in self.lost}
        found |= dict.fromkeys((task_id for task_id, _ in self.quarantined), Reason.RESCUED_INVALID)
        reason = found.get(account.task.id)
        return account if reason is None or not account.rescuable else replace(account, reason=reason)


def rescue(
    destination: Path,
    client: NimbleClient,
    accounts: Sequence[TaskAccount],
    options: SyncOptions,
    observer: WaitObserver,
) -> Rescue:
    """Ask for the result of every rescuable task, several at a time, and land what comes, one after the other.

    The estimate of how long results are kept never stops a try: only the API's own answer proves an expiry. What one
    task meets does not end the rescue of the others; a rejected key, a used-up budget, an API out of reach and an
    unusable destination do, and are told as ``error``. Raises Interrupted; what was landed until then is kept.
    """
    wanted = {account.task.id: account.task for account in accounts if account.rescuable}
    lost: list[NotRescued] = []
    stopped: list[HarvesterError] = []

    def fetched() -> Iterator[RescuedResult]:
        failures = 0
        asked = ask_each(client.results, wanted, stop=observer.stop_signal)
        for done, (task_id, answer) in enumerate(asked, start=1):
            if isinstance(answer, TaskResult):
                failures = 0
                yield RescuedResult(task_id, answer.content, _suffix(wanted[task_id], answer))
            elif isinstance(answer, NotThere):
                failures = 0
                reason = Reason.EXPIRED if answer.expired else Reason.NOT_HELD
                lost.append(NotRescued(task_id, reason, answer.cause or answer.what))
            else:
                failures = failures + 1 if isinstance(answer, ConnectionFailed) else 0
                lost.append(NotRescued(task_id, Reason.RESCUE_FAILED, answer.cause or answer.what))
                if isinstance(answer, AccessDenied) or failures >= TOLERATED_FAILURES:
                    stopped.append(answer)
                    return
            observer.rescued(done, len(wanted))

    report = land_rescued(destination, fetched(), options)
    return Rescue(report.landed, report.quarantined, tuple(lost), stopped[0] if stopped else None)


def _suffix(task: Task, result: TaskResult) -> str:
    """Return what the file name ends with: media are told by it."""
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
