"""Client for Nimble's API: tasks, batches and job runs, with pagination.

The SDK's parsing is bypassed: its types are stricter than the API's answers (a list of batches is None, ``tasks``
contains nulls, states are an enumeration).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, ConnectionFailed, UsageError
from harvester.extras import NIMBLE, require_extra
from harvester.nimble_api.bounded_http import DEFAULT_MAX_RESPONSE_BYTES
from harvester.nimble_api.decoding import (
    UnexpectedShape,
    decode_batch,
    decode_batch_summary,
    decode_job_id,
    decode_progress,
    decode_run,
    decode_task,
    decode_task_answer,
    is_id,
)
from harvester.nimble_api.models import Batch, BatchProgress, BatchSummary, Run, Task, TaskResult
from harvester.nimble_api.responses import ApiResponse, Subject
from harvester.nimble_api.transport import ApiTransport
from policies import facts

if TYPE_CHECKING:
    # The SDK takes most of a second to import: only a program that talks to the API pays for it.
    from nimble_python import APIResponse, Nimble

_Value = TypeVar("_Value")
_PAGE_SIZE = 100


class _PageCall(Protocol):
    """Request one page through the SDK."""

    def __call__(self, sdk: Nimble, page: dict[str, object]) -> APIResponse[Any]: ...


class NimbleClient:
    """One account's tasks, batches and job runs.

    Every method raises AccessDenied (key rejected, account not entitled, budget used up), UnknownId (unknown id),
    UsageError (an invalid id, a rejected request), ConnectionFailed (network, throttling and failures of
    the server, after retries, and a response that is not the API's) and TimedOut (past the client's deadline).
    Safe to share among threads.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str | None = None,
        attempts: int = 5,
        retry_seconds: float = 300.0,
        deadline: float | None = None,
        requests_per_second: float | None = None,
        max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES,
    ) -> None:
        """Open no connection yet; raise ConfigurationError for an invalid key or address or without [nimble].

        ``attempts``: requests sent while the server names no delay. ``retry_seconds``: seconds that one request may
        wait between attempts. ``deadline``: value of ``time.monotonic()`` that no wait may pass. ``base_url`` and
        ``requests_per_second`` default to the documented values. ``max_response_bytes`` limits one response
        body, after decompression.
        """
        require_extra(NIMBLE)
        self._transport = ApiTransport(
            api_key,
            base_url or facts().api.base_url,
            attempts=attempts,
            retry_seconds=retry_seconds,
            deadline=deadline,
            requests_per_second=requests_per_second or facts().api.requests_per_second,
            max_response_bytes=max_response_bytes,
        )

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] = os.environ,
        *,
        deadline: float | None = None,
        attempts: int = 5,
        max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES,
    ) -> Self:
        """Return a client for NIMBLE_API_KEY and NIMBLE_BASE_URL; raise ConfigurationError if no key is set."""
        api_key = environ.get("NIMBLE_API_KEY", "")
        if not api_key:
            raise ConfigurationError(
                "no API key: NIMBLE_API_KEY is not set",
                cause="tasks, batches and runs are read through Nimble's API",
                code=ErrorCode.API_KEY_MISSING,
            )
        return cls(
            api_key,
            base_url=environ.get("NIMBLE_BASE_URL") or None,
            deadline=deadline,
            attempts=attempts,
            max_response_bytes=max_response_bytes,
        )

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def until(self, deadline: float | None) -> contextlib.AbstractContextManager[None]:
        """Apply ``deadline`` (a value of ``time.monotonic()``) within the context; None changes nothing."""
        return self._transport.until(deadline)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def origin(self) -> str:
        """The API's address without credentials, path and query."""
        return self._transport.origin

    # ---- tasks

    def task(self, task_id: str) -> Task:
        """Return the task."""
        subject = _subject("task", task_id)
        answer = self._transport.request("tasks", lambda sdk: sdk.tasks.with_raw_response.get(task_id), subject)
        return self._decoded(answer, decode_task_answer, subject)

    def results(self, task_id: str) -> TaskResult:
        """Return the body of the task's result unchanged; ``UnknownId.expired`` is set if it has expired."""
        subject = _subject("results of task", task_id)
        answer = self._transport.request("tasks", lambda sdk: sdk.tasks.with_raw_response.results(task_id), subject)
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        return TaskResult(task_id, answer.content, media_type)

    def tasks(self) -> Iterator[Task]:
        """Yield every task of the account, page by page."""
        subject = Subject("list of tasks")
        for entry in self._pages(
            "tasks", lambda sdk, page: sdk.tasks.with_raw_response.list(extra_query=page), subject
        ):
            yield self._decode(decode_task, entry, subject)

    # ---- batches

    def batch(self, batch_id: str) -> Batch:
        """Return the batch with all its tasks."""
        subject = _subject("batch", batch_id)
        answer = self._transport.request("batches", lambda sdk: sdk.batches.with_raw_response.get(batch_id), subject)
        return self._decoded(answer, decode_batch, subject)

    def progress(self, batch_id: str) -> BatchProgress:
        """Return the progress of the batch, without its tasks."""
        subject = _subject("batch", batch_id)
        answer = self._transport.request(
            "batches", lambda sdk: sdk.batches.with_raw_response.progress(batch_id), subject
        )
        return self._decoded(answer, lambda value: decode_progress(value, batch_id=batch_id), subject)

    def batches(self) -> Iterator[BatchSummary]:
        """Yield every batch of the account, page by page."""
        subject = Subject("list of batches")
        for entry in self._pages(
            "batches", lambda sdk, page: sdk.batches.with_raw_response.list(extra_query=page), subject
        ):
            yield self._decode(decode_batch_summary, entry, subject)

    # ---- job runs

    def run(self, run_id: str) -> Run:
        """Return the run of a job."""
        subject = _subject("run", run_id)
        answer = self._transport.request("jobs", lambda sdk: sdk.jobs.runs.with_raw_response.get(run_id), subject)
        return self._decoded(answer, decode_run, subject)

    def runs(self, job_id: str) -> Iterator[Run]:
        """Yield every run of the job, page by page."""
        subject = _subject("job", job_id)
        for entry in self._offsets(
            lambda sdk, page: sdk.jobs.runs.with_raw_response.list(job_id, extra_query=page), subject
        ):
            yield self._decode(decode_run, entry, subject)

    def job_ids(self) -> Iterator[str]:
        """Yield the id of every job of the account."""
        subject = Subject("list of jobs")
        for entry in self._offsets(lambda sdk, page: sdk.jobs.with_raw_response.list(extra_query=page), subject):
            yield self._decode(decode_job_id, entry, subject)

    # ---- pages

    def _pages(self, resource: str, call: _PageCall, subject: Subject) -> Iterator[object]:
        """Follow ``pagination {has_next, next_cursor}`` to the last page; nulls in ``data`` are skipped."""
        page: dict[str, object] = {"limit": _PAGE_SIZE}
        seen: set[str] = set()
        while True:
            answer = self._transport.request(resource, partial(call, page=dict(page)), subject)
            entries, pagination = self._decoded(answer, _cursor_page, subject)
            yield from entries
            if pagination.get("has_next") is not True:
                return
            cursor = pagination.get("next_cursor")
            if not isinstance(cursor, str) or not cursor or cursor in seen:
                raise self._unexpected_response(subject, "it announces another page without a new cursor")
            seen.add(cursor)
            page["cursor"] = cursor

    def _offsets(self, call: _PageCall, subject: Subject) -> Iterator[object]:
        """Follow ``{items, total}`` by offset to the end; a page may be shorter than requested."""
        offset = 0
        while True:
            answer = self._transport.request(
                "jobs", partial(call, page={"limit": _PAGE_SIZE, "offset": offset}), subject
            )
            entries, total = self._decoded(answer, _offset_page, subject)
            yield from (entry for entry in entries if entry is not None)
            offset += len(entries)
            if offset >= total:
                return
            if not entries:
                raise self._unexpected_response(subject, f"it counts {total} entries and returned {offset}")

    # ---- decoding

    def _decoded(self, answer: ApiResponse, decode: Callable[[object], _Value], subject: Subject) -> _Value:
        return self._decode(decode, answer.json(), subject)

    def _decode(self, decode: Callable[[object], _Value], value: object, subject: Subject) -> _Value:
        try:
            return decode(value)
        except UnexpectedShape as error:
            raise self._unexpected_response(subject, str(error)) from error

    def _unexpected_response(self, subject: Subject, why: str) -> ConnectionFailed:
        return ConnectionFailed(
            f"{self.origin} answers the request for {subject} with an unexpected document",
            cause=why,
            code=ErrorCode.API_ANSWER_UNUSABLE,
            subject=str(subject),
        )


def _subject(noun: str, value: str) -> Subject:
    if not is_id(value):
        raise UsageError(
            f"not an id: {value!r}",
            cause="ids consist of letters, digits and . _ : ~ -",
            code=ErrorCode.NOT_AN_ID,
            subject=value,
            parameters={"noun": noun},
        )
    return Subject(noun, value)


def _cursor_page(value: object) -> tuple[list[object], Mapping[str, object]]:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise UnexpectedShape("the response has no array under data")
    pagination = value.get("pagination")
    return [entry for entry in value["data"] if entry is not None], pagination if isinstance(pagination, dict) else {}


def _offset_page(value: object) -> tuple[list[object], int]:
    if not isinstance(value, dict) or not isinstance(value.get("items"), list):
        raise UnexpectedShape("the response has no array under items")
    total = value.get("total")
    return value["items"], total if isinstance(total, int) and not isinstance(total, bool) else 0
