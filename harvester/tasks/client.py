"""Nimble's API through the official SDK: every page, both path versions, patient with throttling, plain about refusals.

The SDK sends; what it is not asked to do is parse or retry. Its types promise more than the API's pages agree on (a
list of batches is None, ``tasks`` holds nulls, states are an enumeration), and its retries give up a ``Retry-After``
above a minute and know no deadline.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar
from urllib.parse import urlsplit

from harvester.errors import ConfigurationError, ConnectionFailed, TimedOut, UsageError
from harvester.tasks.answers import Answer, Subject, clean, refusal
from harvester.tasks.decoding import (
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
from harvester.tasks.model import Batch, BatchProgress, BatchSummary, Run, Task, TaskResult
from harvester.tasks.pacing import Pacer, backoff
from policies.vendor import facts

if TYPE_CHECKING:
    # The SDK takes most of a second to import: only a program that talks to the API pays for it.
    import httpx
    from nimble_python import APIResponse, Nimble

_Value = TypeVar("_Value")
_Version = Literal["v2", "v1"]
_PAGE_SIZE = 100


class _PageCall(Protocol):
    """Asks the SDK for one page."""

    def __call__(self, sdk: Nimble, page: dict[str, object]) -> APIResponse[Any]: ...


class NimbleClient:
    """One account's tasks, batches and job runs.

    Every method raises AccessDenied (key rejected, account not entitled, budget used up), NotThere (unknown id),
    UsageError (a name that cannot be an id, a refused request), ConnectionFailed (network, throttling and failures of
    the server, after retries, and an answer that is not the API's) and TimedOut (past the client's deadline).
    Safe to share among threads.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str | None = None,
        attempts: int = 5,
        patience: float = 300.0,
        deadline: float | None = None,
        requests_per_second: float | None = None,
    ) -> None:
        """Connect nothing yet; raise ConfigurationError for a key or address that cannot be.

        ``attempts``: how often a request is sent that fails without the server naming a delay. ``patience``: how many
        seconds one request may spend in pauses. ``deadline``: a moment of ``time.monotonic()`` no pause may pass.
        ``base_url`` and ``requests_per_second`` are the documented ones where not given.
        """
        self._api_key = _checked_key(api_key)
        self._base_url = _checked_base_url(base_url or facts().api.base_url)
        self._attempts = attempts
        self._patience = patience
        self._deadline = deadline
        self._pacer = Pacer(requests_per_second or facts().api.requests_per_second)
        self._sdks: dict[_Version, Nimble] = {}
        self._versions: dict[str, _Version] = {}
        self._setting_up = threading.Lock()

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str] = os.environ, *, deadline: float | None = None, attempts: int = 5
    ) -> Self:
        """Return a client for NIMBLE_API_KEY at NIMBLE_BASE_URL; raise ConfigurationError where no key is set."""
        api_key = environ.get("NIMBLE_API_KEY", "")
        if not api_key:
            raise ConfigurationError(
                "no API key: NIMBLE_API_KEY is not set",
                cause="tasks, batches and runs are asked of Nimble's API",
                next_step="export NIMBLE_API_KEY=… (the key is in Nimble's console, under account settings)",
            )
        return cls(api_key, base_url=environ.get("NIMBLE_BASE_URL") or None, deadline=deadline, attempts=attempts)

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    @contextlib.contextmanager
    def until(self, deadline: float | None) -> Iterator[None]:
        """Let no pause pass ``deadline`` (a moment of ``time.monotonic()``) meanwhile; None changes nothing."""
        before = self._deadline
        self._deadline = before if deadline is None else deadline
        try:
            yield
        finally:
            self._deadline = before

    def close(self) -> None:
        """Close the connections."""
        for sdk in self._sdks.values():
            sdk.close()
        self._sdks.clear()

    @property
    def origin(self) -> str:
        """The API's address without what may be secret in a URL."""
        return _origin(self._base_url)

    # ---- tasks

    def task(self, task_id: str) -> Task:
        """Return the task."""
        subject = _subject("task", task_id, "nimble-harvester tasks list")
        answer = self._ask("tasks", lambda sdk: sdk.tasks.with_raw_response.get(task_id), subject)
        return self._decoded(answer, decode_task_answer, subject)

    def results(self, task_id: str) -> TaskResult:
        """Return the task's result, to the byte; NotThere tells an expiry by its ``expired``."""
        subject = _subject("results of task", task_id, f"nimble-harvester tasks get {task_id}")
        answer = self._ask("tasks", lambda sdk: sdk.tasks.with_raw_response.results(task_id), subject)
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        return TaskResult(task_id, answer.content, media_type)

    def tasks(self) -> Iterator[Task]:
        """Yield every task of the account, all pages, as they come."""
        subject = Subject("list of tasks")
        for entry in self._pages(
            "tasks", lambda sdk, page: sdk.tasks.with_raw_response.list(extra_query=page), subject
        ):
            yield self._shaped(decode_task, entry, subject)

    # ---- batches

    def batch(self, batch_id: str) -> Batch:
        """Return the batch with all its tasks."""
        subject = _subject("batch", batch_id, "nimble-harvester batches list")
        answer = self._ask("batches", lambda sdk: sdk.batches.with_raw_response.get(batch_id), subject)
        return self._decoded(answer, decode_batch, subject)

    def progress(self, batch_id: str) -> BatchProgress:
        """Return how far the batch is, without its tasks."""
        subject = _subject("batch", batch_id, "nimble-harvester batches list")
        answer = self._ask("batches", lambda sdk: sdk.batches.with_raw_response.progress(batch_id), subject)
        return self._decoded(answer, lambda value: decode_progress(value, batch_id=batch_id), subject)

    def batches(self) -> Iterator[BatchSummary]:
        """Yield every batch of the account, all pages, as they come."""
        subject = Subject("list of batches")
        for entry in self._pages(
            "batches", lambda sdk, page: sdk.batches.with_raw_response.list(extra_query=page), subject
        ):
            yield self._shaped(decode_batch_summary, entry, subject)

    # ---- job runs

    def run(self, run_id: str) -> Run:
        """Return the run of a job."""
        subject = _subject("run", run_id, "nimble-harvester runs list")
        answer = self._ask("jobs", lambda sdk: sdk.jobs.runs.with_raw_response.get(run_id), subject)
        return self._decoded(answer, decode_run, subject)

    def runs(self, job_id: str) -> Iterator[Run]:
        """Yield every run of the job, all pages, as they come."""
        subject = _subject("job", job_id, "nimble-harvester runs list")
        for entry in self._offsets(
            lambda sdk, page: sdk.jobs.runs.with_raw_response.list(job_id, extra_query=page), subject
        ):
            yield self._shaped(decode_run, entry, subject)

    def job_ids(self) -> Iterator[str]:
        """Yield the id of every job of the account, all pages."""
        subject = Subject("list of jobs")
        for entry in self._offsets(lambda sdk, page: sdk.jobs.with_raw_response.list(extra_query=page), subject):
            yield self._shaped(decode_job_id, entry, subject)

    # ---- pages

    def _pages(self, resource: str, call: _PageCall, subject: Subject) -> Iterator[object]:
        """Follow ``pagination {has_next, next_cursor}`` to its end; nulls in ``data`` are left out."""
        page: dict[str, object] = {"limit": _PAGE_SIZE}
        seen: set[str] = set()
        while True:
            answer = self._ask(resource, partial(call, page=dict(page)), subject)
            entries, pagination = self._decoded(answer, _cursor_page, subject)
            yield from entries
            if pagination.get("has_next") is not True:
                return
            cursor = pagination.get("next_cursor")
            if not isinstance(cursor, str) or not cursor or cursor in seen:
                raise self._not_the_api(subject, "it says that pages follow and names none that is new")
            seen.add(cursor)
            page["cursor"] = cursor

    def _offsets(self, call: _PageCall, subject: Subject) -> Iterator[object]:
        """Follow ``{items, total}`` by offset to its end; the server may give fewer than asked for."""
        offset = 0
        while True:
            answer = self._ask("jobs", partial(call, page={"limit": _PAGE_SIZE, "offset": offset}), subject)
            entries, total = self._decoded(answer, _offset_page, subject)
            yield from (entry for entry in entries if entry is not None)
            offset += len(entries)
            if offset >= total:
                return
            if not entries:
                raise self._not_the_api(subject, f"it counts {total} entries and gives {offset}")

    # ---- one request

    def _ask(self, resource: str, call: Callable[[Nimble], APIResponse[Any]], subject: Subject) -> Answer:
        """Return the API's answer to ``call``, from the path version that knows the resource."""
        settled = self._versions.get(resource)
        candidates: tuple[_Version, ...] = (settled,) if settled else ("v2", "v1")
        answer = None
        for version in candidates:
            answer = self._send(version, call, subject)
            if not answer.concerns_the_path:
                self._versions[resource] = version
                break
        assert answer is not None  # noqa: S101  # there is always a candidate
        if not answer.ok:
            raise refusal(answer, subject, origin=self.origin, secret=self._api_key)
        return answer

    def _send(self, version: _Version, call: Callable[[Nimble], APIResponse[Any]], subject: Subject) -> Answer:
        """Send until answered for good: throttling and failures of server or network are waited out."""
        from nimble_python import APIConnectionError, APIStatusError

        sdk = self._sdk(version)
        waited, attempt = 0.0, 0
        while True:
            attempt += 1
            self._pacer.wait()
            answer: Answer | None = None
            failure = ""
            try:
                response = call(sdk).http_response
                answer = Answer(response.status_code, _headers(response.headers), response.content)
            except APIStatusError as error:
                answer = Answer(error.status_code, _headers(error.response.headers), error.response.content)
            except APIConnectionError as error:
                failure = clean(f"{error} {error.__cause__ or ''}", secret=self._api_key)
            if answer is not None and not answer.worth_retrying:
                return answer
            named = answer.retry_after(datetime.now(UTC)) if answer is not None else None
            pause = backoff(attempt) if named is None else max(named, 0.1)
            # Being throttled is no failure: only patience ends it.
            spent = attempt >= self._attempts and not (answer is not None and answer.status == 429)
            if spent or waited + pause > self._patience:
                if answer is not None:
                    return answer
                raise ConnectionFailed(
                    f"no answer from {self.origin} to the request for {subject}",
                    cause=f"{failure}, after {attempt} attempts",
                    next_step="check the network, proxies, and NIMBLE_BASE_URL",
                )
            if self._deadline is not None and time.monotonic() + pause > self._deadline:
                raise TimedOut(
                    f"the time is up before Nimble answers the request for {subject}",
                    cause=f"HTTP {answer.status}, asked to wait {pause:.0f} s" if answer is not None else failure,
                    next_step="wait longer (--timeout)",
                )
            self._pacer.pause(pause)
            waited += pause

    def _sdk(self, version: _Version) -> Nimble:
        """Return the SDK's client for a path version, made when first used."""
        with self._setting_up:
            if version not in self._sdks:
                self._sdks[version] = self._new_sdk(version)
            return self._sdks[version]

    def _new_sdk(self, version: _Version) -> Nimble:
        from nimble_python import DefaultHttpxClient, Nimble, Timeout

        prefix = urlsplit(self._base_url).path.rstrip("/").encode()

        def lead_to_version(request: httpx.Request) -> None:
            # The SDK knows /v2 only; the older paths have the same shapes.
            url = request.url
            if url.raw_path.startswith(prefix + b"/v2/"):
                tail = url.raw_path[len(prefix) + 4 :]
                request.url = url.copy_with(raw_path=prefix + b"/v1/" + tail)

        try:
            http = DefaultHttpxClient(event_hooks={"request": [lead_to_version] if version == "v1" else []})
        except (ImportError, ValueError) as error:
            # A proxy named in the environment that cannot be used.
            raise ConfigurationError(
                "the HTTP client cannot be set up", cause=clean(str(error)), next_step="check HTTPS_PROXY and ALL_PROXY"
            ) from error
        return Nimble(
            api_key=self._api_key,
            base_url=self._base_url,
            max_retries=0,
            timeout=Timeout(60.0, connect=10.0),
            http_client=http,
        )

    def _decoded(self, answer: Answer, decode: Callable[[object], _Value], subject: Subject) -> _Value:
        return self._shaped(decode, answer.json(), subject)

    def _shaped(self, decode: Callable[[object], _Value], value: object, subject: Subject) -> _Value:
        try:
            return decode(value)
        except UnexpectedShape as error:
            raise self._not_the_api(subject, str(error)) from error

    def _not_the_api(self, subject: Subject, why: str) -> ConnectionFailed:
        return ConnectionFailed(
            f"{self.origin} answers the request for {subject} with something else",
            cause=why,
            next_step="check NIMBLE_BASE_URL, and proxies on the way",
        )


def _subject(noun: str, value: str, next_step: str) -> Subject:
    if not is_id(value):
        raise UsageError(
            f"not an id: {value!r}", cause="ids hold letters, digits and . _ : ~ - only", next_step=next_step
        )
    return Subject(noun, value, next_step)


def _cursor_page(value: object) -> tuple[list[object], Mapping[str, object]]:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise UnexpectedShape("the answer holds no list under data")
    pagination = value.get("pagination")
    return [entry for entry in value["data"] if entry is not None], pagination if isinstance(pagination, dict) else {}


def _offset_page(value: object) -> tuple[list[object], int]:
    if not isinstance(value, dict) or not isinstance(value.get("items"), list):
        raise UnexpectedShape("the answer holds no list under items")
    total = value.get("total")
    return value["items"], total if isinstance(total, int) else 0


def _headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _checked_key(api_key: str) -> str:
    # Anything else cannot be sent in a header, and most often is a pasted line end or a curly quote.
    if not api_key or not all("!" <= char <= "~" for char in api_key):
        raise ConfigurationError(
            "NIMBLE_API_KEY holds no API key",
            cause="it is empty, or holds white space or characters that no key has",
            next_step="copy the key again from Nimble's console",
        )
    return api_key


def _checked_base_url(base_url: str) -> str:
    wrong = ""
    try:
        parts = urlsplit(base_url)
        _ = parts.port
    except ValueError:
        wrong = "it cannot be read as a URL"
    else:
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            wrong = "it starts with http:// or https://, then the host"
        elif parts.query or parts.fragment:
            wrong = "it has neither ? nor #"
        elif parts.path.rstrip("/").rpartition("/")[2] in {"v1", "v2"}:
            wrong = "the path version (/v1, /v2) is found out by itself"
    if wrong:
        raise ConfigurationError(
            "NIMBLE_BASE_URL is not the address of an API",
            cause=wrong,
            next_step=f"leave it unset for {facts().api.base_url}",
        )
    return base_url


def _origin(base_url: str) -> str:
    parts = urlsplit(base_url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"
