"""Read a file of expected tasks: the responses to submissions, or bare ids."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError, UsageError
from harvester.nimble_api import Task, UnexpectedShape, decode_task, is_id
from harvester.text import size

_LARGEST = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TasksInFile:
    """The content of a tasks file."""

    tasks: tuple[Task, ...]
    """Every task once, in the order of first mention; the last entry wins."""
    batch_ids: tuple[str, ...]
    """The batches that the file names as a whole: the response to submitting one, or a bare ``batch_id``."""
    unlisted: int = 0
    """Number of tasks that the file counts (``batch_size``) or holds as ``null`` beyond those it lists."""


@dataclass(frozen=True, slots=True)
class _Entry:
    line: int
    value: object


def read_tasks_file(path: Path) -> TasksInFile:
    """Read a file of expected tasks.

    It is one of: plain ids, one per line (blank lines and ``#`` comments are skipped); JSON Lines of ids, tasks or
    responses to a submission; one JSON document: an array of those, the response to submitting a batch, a batch, or a
    list of tasks. Raises UsageError if the file cannot be read, IntegrityError (with the line) for any other content.
    """
    try:
        if path.stat().st_size > _LARGEST:
            _refuse(path, 1, f"larger than {size(_LARGEST)}")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read the tasks file {path}",
            cause=error.strerror or type(error).__name__,
            code=ErrorCode.FILE_UNREADABLE,
            subject=str(path),
        ) from error
    tasks: dict[str, Task] = {}
    batch_ids: dict[str, None] = {}
    unlisted = 0
    for entry in _entries(path, content):
        try:
            listed, batch_id, beyond = _parse_entry(entry.value)
        except UnexpectedShape as error:
            _refuse(path, entry.line, str(error))
        tasks.update({task.id: task for task in listed})
        if batch_id:
            batch_ids[batch_id] = None
        unlisted += beyond
    if not tasks and not batch_ids:
        _refuse(path, 1, "it contains no task")
    return TasksInFile(tuple(tasks.values()), tuple(batch_ids), unlisted)


# ---- from bytes to entries


def _entries(path: Path, content: bytes) -> Iterator[_Entry]:
    text = _text(path, content)
    stripped = text.lstrip()
    if not stripped:
        _refuse(path, 1, "it is empty")
    if stripped[0] not in '[{"':
        return _plain(path, text)
    first = text.count("\n", 0, len(text) - len(stripped)) + 1
    try:
        document = json.loads(stripped)
    except (json.JSONDecodeError, RecursionError) as error:
        # JSON Lines are no single document; if the first line is no JSON value either, the document is broken.
        if not _is_json(stripped.split("\n", 1)[0]):
            line = error.lineno - 1 if isinstance(error, json.JSONDecodeError) else 0
            _refuse(path, first + line, "neither a JSON document nor JSON Lines")
        return _lines(path, text)
    return iter([_Entry(first, document)])


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(path, content.count(b"\n", 0, error.start) + 1, "not UTF-8 text")


def _plain(path: Path, text: str) -> Iterator[_Entry]:
    for number, line in enumerate(text.split("\n"), start=1):
        written = line.strip()
        if not written or written.startswith("#"):
            continue
        if not is_id(written):
            _refuse(path, number, "not a task id")
        yield _Entry(number, written)


def _lines(path: Path, text: str) -> Iterator[_Entry]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield _Entry(number, json.loads(line))
        except (json.JSONDecodeError, RecursionError):
            _refuse(path, number, "not one JSON value")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return False
    return True


# ---- from entries to tasks


def _parse_entry(value: object) -> tuple[list[Task], str | None, int]:
    """Return the tasks of one entry, its batch id, and the number of tasks it counts but does not list."""
    if isinstance(value, str):
        return [_bare(value)], None, 0
    if isinstance(value, list):
        return _all(value)
    if not isinstance(value, dict):
        raise UnexpectedShape("neither a task id, nor a task, nor the response to a submission")
    if "task" in value:
        return [decode_task(value["task"])], None, 0
    listed = value.get("tasks", value.get("data"))
    if isinstance(listed, list):
        tasks, _, nulls = _all(listed)
        batch_id = value.get("batch_id", value.get("id"))
        size = value.get("batch_size")
        beyond = max(size - len(listed), 0) if isinstance(size, int) and not isinstance(size, bool) else 0
        if not isinstance(batch_id, str) or not is_id(batch_id):
            return tasks, None, nulls + beyond
        return [replace(task, batch_id=task.batch_id or batch_id) for task in tasks], batch_id, nulls + beyond
    if "id" in value:
        return [decode_task(value)], None, 0
    task_id, batch_id = value.get("task_id"), value.get("batch_id")
    if isinstance(task_id, str):
        return [_bare(task_id, batch_id)], None, 0
    if isinstance(batch_id, str) and is_id(batch_id):
        return [], batch_id, 0
    raise UnexpectedShape("an object with neither id, task_id, batch_id, task nor tasks")


def _all(values: Iterable[object]) -> tuple[list[Task], str | None, int]:
    tasks: list[Task] = []
    beyond = 0
    for place, value in enumerate(values):
        if value is None:
            beyond += 1
            continue
        try:
            listed, _, more = _parse_entry(value)
        except UnexpectedShape as error:
            raise UnexpectedShape(f"entry {place}: {error}") from error
        tasks += listed
        beyond += more
    return tasks, None, beyond


def _bare(task_id: str, batch_id: object = None) -> Task:
    if not is_id(task_id):
        raise UnexpectedShape("not a task id")
    return Task(task_id, batch_id=batch_id if isinstance(batch_id, str) and is_id(batch_id) else None)


def _refuse(path: Path, line: int, why: str) -> NoReturn:
    raise IntegrityError(
        f"{path}, line {line}: not a file of tasks",
        cause=why,
        code=ErrorCode.TASK_FILE_INVALID,
        subject=str(path),
    )
