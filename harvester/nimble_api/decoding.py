"""Decode the API's JSON: strict about ids and flags, tolerant of every other field.

The documented shapes differ between pages and from the SDK's types, so a missing, null or mistyped optional field
becomes None; only a missing required field raises.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from harvester.nimble_api.models import Batch, BatchProgress, BatchSummary, Run, Task

_LONGEST_TEXT = 8192
_DEEPEST_ERROR = 8
_LARGEST = 2**63 - 1
# Outside these years times cannot be added up, converted or stored in every format.
_FIRST_YEAR, _LAST_YEAR = 1970, 2261
# Observed ids: UUIDs, run_42, job_42. Nothing that could be a path or an option is accepted.
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.:~-]{0,198}[A-Za-z0-9])?\Z")


class UnexpectedShape(ValueError):
    """A document does not have the documented shape; the text names the field and the expected type, not the value."""


def is_id(value: object) -> bool:
    """Return whether ``value`` can be an id of a task, batch, run or job."""
    return isinstance(value, str) and _ID.match(value) is not None


def decode_task(value: object, *, where: str = "task") -> Task:
    """Return the task in ``value``; raise UnexpectedShape without an id."""
    fields = _mapping(value, where)
    return Task(
        id=_id(fields, where),
        raw_state=_text(fields, "state"),
        batch_id=_text(fields, "batch_id"),
        api_type=_text(fields, "api_type"),
        created_at=_moment(fields, "created_at"),
        modified_at=_moment(fields, "modified_at"),
        status_code=_whole(fields, "status_code"),
        output_url=_url(fields, "output_url"),
        download_url=_url(fields, "download_url"),
        error=error_text(fields.get("error")),
        error_type=_text(fields, "error_type"),
    )


def decode_task_answer(value: object) -> Task:
    """Return the task of ``GET /tasks/{id}``: under ``task``, or the document itself."""
    fields = _mapping(value, "answer")
    return decode_task(fields["task"]) if "task" in fields else decode_task(fields)


def decode_batch(value: object) -> Batch:
    """Return the batch of ``GET /batches/{id}``; its ``tasks`` may hold nulls, and bare ids."""
    fields = _mapping(value, "batch")
    entries = _list(fields, "tasks", "batch")
    tasks = tuple(
        decode_task({"id": entry} if isinstance(entry, str) else entry, where=f"tasks[{place}]")
        for place, entry in enumerate(entries)
        if entry is not None
    )
    return Batch(
        id=_id(fields, "batch"),
        completed=_flag(fields, "completed", "batch"),
        completed_count=_whole(fields, "completed_count") or 0,
        progress=_number(fields, "progress") or 0.0,
        tasks=tasks,
        null_tasks=len(entries) - len(tasks),
        created_at=_moment(fields, "created_at"),
        completed_at=_moment(fields, "completed_at"),
    )


def decode_progress(value: object, *, batch_id: str) -> BatchProgress:
    """Return the progress of ``GET /batches/{id}/progress``; one documented example leaves the id out."""
    fields = _mapping(value, "progress")
    return BatchProgress(
        id=_id(fields, "progress") if is_id(fields.get("id")) else batch_id,
        completed=_flag(fields, "completed", "progress"),
        completed_count=_whole(fields, "completed_count") or 0,
        progress=_number(fields, "progress") or 0.0,
        completed_at=_moment(fields, "completed_at"),
    )


def decode_batch_summary(value: object, *, where: str = "batch") -> BatchSummary:
    """Return one entry of ``GET /batches``; its ``tasks`` are ids, or tasks."""
    fields = _mapping(value, where)
    entries = fields.get("tasks")
    ids = tuple(
        decode_task({"id": entry} if isinstance(entry, str) else entry, where=f"{where}.tasks[{place}]").id
        for place, entry in enumerate(entries if isinstance(entries, list) else [])
        if entry is not None
    )
    return BatchSummary(
        id=_id(fields, where),
        completed=_flag(fields, "completed", where),
        task_ids=ids,
        created_at=_moment(fields, "created_at"),
    )


def decode_run(value: object, *, where: str = "run") -> Run:
    """Return a job run, from its own page (``job``, ``summary``, ``error`` nested) or from the list (flat)."""
    fields = _mapping(value, where)
    job = _optional_mapping(fields, "job")
    summary = _optional_mapping(fields, "summary")
    error = _optional_mapping(fields, "error")
    return Run(
        id=_id(fields, where),
        raw_state=_text(fields, "status"),
        job_id=_text(fields, "job_id") or _text(job, "id"),
        job_name=_text(job, "display_name") or _text(job, "name"),
        triggered_by=_text(fields, "triggered_by"),
        created_at=_moment(fields, "created_at"),
        started_at=_moment(fields, "started_at"),
        finished_at=_moment(fields, "finished_at"),
        input_count=_first(_whole(summary, "input_count"), _whole(fields, "input_count")),
        result_count=_first(_whole(summary, "result_count"), _whole(fields, "result_count")),
        match_rate=_number(summary, "match_rate"),
        error=error_text(fields.get("error")),
        error_step=_text(error, "step"),
    )


def decode_job_id(value: object, *, where: str = "job") -> str:
    """Return the id of one entry of ``GET /jobs``."""
    return _id(_mapping(value, where), where)


def error_text(value: object, *, depth: int = 0) -> str | None:
    """Return the message of an error body, or None if it has none.

    The pages use ``msg``, ``error``, ``message`` and ``detail``, with a string, an object or a list of objects below.
    """
    if depth > _DEEPEST_ERROR:
        return None
    if isinstance(value, str):
        return _bounded(value.strip()) or None
    if isinstance(value, dict):
        return next(
            (
                text
                for key in ("msg", "message", "error", "detail")
                if (text := error_text(value.get(key), depth=depth + 1))
            ),
            None,
        )
    if isinstance(value, list):
        return next((text for entry in value if (text := error_text(entry, depth=depth + 1))), None)
    return None


def decode_moment(text: str) -> datetime | None:
    """Return the time in ``text`` (ISO 8601; UTC if without a zone), or None: a vendor page shows year 0000."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if _FIRST_YEAR <= moment.year <= _LAST_YEAR else None


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise UnexpectedShape(f"{where} is {_kind(value)}, not an object")
    return value


def _optional_mapping(fields: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _list(fields: Mapping[str, object], name: str, where: str) -> list[object]:
    value = fields.get(name)
    if not isinstance(value, list):
        raise UnexpectedShape(f"{where}.{name} is {_kind(value)}, not an array")
    return value


def _id(fields: Mapping[str, object], where: str) -> str:
    value = fields.get("id")
    if not isinstance(value, str) or not is_id(value):
        raise UnexpectedShape(f"{where}.id is {'no id' if isinstance(value, str) else _kind(value) + ', not an id'}")
    return value


def _flag(fields: Mapping[str, object], name: str, where: str) -> bool:
    value = fields.get(name)
    if not isinstance(value, bool):
        raise UnexpectedShape(f"{where}.{name} is {_kind(value)}, not true or false")
    return value


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    return _bounded(value) if isinstance(value, str) else None


def _url(fields: Mapping[str, object], name: str) -> str | None:
    """Return a URL unchanged, or None where it is no text that could be one."""
    value = fields.get(name)
    if not isinstance(value, str) or value != _bounded(value):
        return None
    try:
        urlsplit(value)
    except ValueError:
        return None
    return value


def _bounded(text: str) -> str:
    """Return text that UTF-8 can hold, of a bounded length."""
    text = text.encode("utf-8", "replace").decode() if not text.isascii() else text
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def _number(fields: Mapping[str, object], name: str) -> float | None:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # An integer may be too large for a float, and a float may be infinite.
    if not -_LARGEST <= value <= _LARGEST or not math.isfinite(value):
        return None
    return float(value)


def _whole(fields: Mapping[str, object], name: str) -> int | None:
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -_LARGEST <= value <= _LARGEST else None
    number = _number(fields, name)
    return int(number) if number is not None and abs(number) < 2**53 else None


def _moment(fields: Mapping[str, object], name: str) -> datetime | None:
    value = _text(fields, name)
    return decode_moment(value) if value is not None else None


def _first(preferred: int | None, otherwise: int | None) -> int | None:
    return preferred if preferred is not None else otherwise


def _kind(value: object) -> str:
    names = (
        (dict, "an object"),
        (list, "an array"),
        (str, "a string"),
        (bool, "a boolean"),
        ((int, float), "a number"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "absent or null")
