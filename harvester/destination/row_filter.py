"""Which rows are read: by object, and by what their own text states."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

from harvester.destination.manifest import LandedRow, shown_key
from harvester.destination.selection import CompiledSelection, Selection
from harvester.errors import IntegrityError, UsageError
from harvester.results import MAX_LABEL, Shape, select

_AGENT = "metadata.agent"


@dataclass(frozen=True, slots=True)
class RowFilter:
    """What a row must be; an empty field allows everything. Raises UsageError for an unknown shape."""

    include: tuple[str, ...] = ()
    """Globs on the key below the prefix; ``*`` spans ``/``. Any of them."""
    exclude: tuple[str, ...] = ()
    """Globs on the key below the prefix; none of them."""
    since: float | None = None
    """Last modified at the source at or after, seconds since the epoch."""
    until: float | None = None
    """Last modified at the source before, seconds since the epoch."""
    shapes: tuple[str, ...] = ()
    """Values of ``harvester.results.Shape``."""
    statuses: tuple[str, ...] = ()
    """States of envelopes, in any case."""
    tasks: tuple[str, ...] = ()
    """Task ids."""
    agents: tuple[str, ...] = ()
    """Names of agents, as ``metadata.agent`` of an envelope has them."""

    def __post_init__(self) -> None:
        """Check the shapes."""
        known = {shape.value for shape in Shape}
        unknown = sorted(set(self.shapes) - known)
        if unknown:
            raise UsageError(f"no shape is called {unknown[0]!r}", cause=f"shapes: {', '.join(sorted(known))}")

    def to_json(self) -> str:
        """Return the fields that are set as JSON."""
        chosen = {each.name: getattr(self, each.name) for each in fields(self)}
        return json.dumps({name: value for name, value in chosen.items() if value not in ((), None)})

    @classmethod
    def from_json(cls, text: str) -> RowFilter:
        """Return the filter that ``to_json`` wrote. Raises IntegrityError for anything else."""
        try:
            stored: dict[str, Any] = json.loads(text)
            chosen: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
            }
            return cls(**chosen)
        except (ValueError, TypeError, AttributeError, UsageError) as error:
            raise IntegrityError("a consumer's filter cannot be read", cause=str(error)) from error


class CompiledFilter:
    """A RowFilter made ready for one destination."""

    def __init__(self, wanted: RowFilter, prefix: str) -> None:
        """Compile the globs; ``prefix`` is that of the destination's source."""
        self._selection = CompiledSelection(Selection(wanted.include, wanted.exclude, wanted.since, wanted.until))
        self._prefix = prefix
        self._shapes = frozenset(wanted.shapes)
        self._statuses = frozenset(status.lower() for status in wanted.statuses)
        self._tasks = frozenset(wanted.tasks)
        self._agents = frozenset(wanted.agents)

    def selects(self, row: LandedRow) -> bool:
        """Return whether rows of this object may be wanted."""
        if self._shapes and row.shape not in self._shapes:
            return False
        if self._statuses and (row.status or "").lower() not in self._statuses:
            return False
        if self._tasks and row.task_id not in self._tasks:
            return False
        agent = _whole_agent(row)
        if self._agents and agent is not None and agent not in self._agents:
            return False
        if self._selection.selects_all:
            return True
        key = row.key[len(self._prefix) :] if row.key.startswith(self._prefix) else shown_key(row.key)
        return not self._selection.refusal(key, row.last_modified)

    def looks_at_rows(self, row: LandedRow) -> bool:
        """Return whether an object that is selected can still have rows that are not wanted."""
        return bool(self._agents) and _whole_agent(row) is None

    def selects_row(self, text: bytes) -> bool:
        """Return whether a row of a selected object is wanted."""
        if not self._agents:
            return True
        agent = select(text, _AGENT)
        return agent is not None and _text(agent) in self._agents


def _whole_agent(row: LandedRow) -> str | None:
    """Return the agent that the manifest knows, None where it knows none, or a part of the name."""
    return None if row.agent is None or len(row.agent) >= MAX_LABEL else row.agent


def _text(value: bytes) -> str | None:
    if not value.startswith(b'"'):
        return None
    try:
        return str(json.loads(value))
    except ValueError:
        return None
