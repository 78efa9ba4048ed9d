"""The differences between two snapshots of a bucket: settings, policies and their statements."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harvester.access.bucket_snapshot import PolicyReading, Snapshot
from harvester.access.explain.setting_labels import SETTING_NAMES, words
from harvester.storage import Unread
from policies import PolicyDocument, compact_json


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between then and now."""

    where: str
    """The setting, or the document and the statement in it."""
    before: str
    """What it was, in words; empty for what was not there."""
    after: str
    """What it is; empty for what is gone."""

    def __str__(self) -> str:
        """Return the difference as a sentence."""
        if not self.before:
            return f"{self.where} was added: {self.after}"
        if not self.after:
            return f"{self.where} was removed: {self.before}"
        return f"{self.where} was {self.before}, is {self.after}"


def find_drift(before: Snapshot, after: Snapshot) -> Iterator[Drift]:
    """Yield what is different; what is not known now or was not known then yields nothing."""
    for name, label in SETTING_NAMES.items():
        if name in ("policy", "caller"):
            continue
        yield from _setting(label, getattr(before.settings, name, None), getattr(after.settings, name, None))
    yield from _documents("bucket policy", before.policy, after.policy)
    if before.key is not None or after.key is not None:
        old, new = (each.key.arn if each.key is not None else "" for each in (before, after))
        if old != new:
            yield Drift("key", old or "none", new or "none")
        elif before.key is not None and after.key is not None:
            yield from _setting("state of the key", before.key.state or None, after.key.state or None)
            yield from _documents("key policy", before.key_policy, after.key_policy)


def _setting(label: str, before: Any, after: Any) -> Iterator[Drift]:
    if isinstance(before, Unread) or isinstance(after, Unread) or before == after:
        return
    yield Drift(label, words(before), words(after))


def _documents(label: str, before: PolicyReading, after: PolicyReading) -> Iterator[Drift]:
    if before is None and isinstance(after, PolicyDocument):
        yield Drift(label, "", f"{len(_parts(after))} statements")
    if isinstance(before, PolicyDocument) and after is None:
        yield Drift(label, f"{len(_parts(before))} statements", "")
    if not (isinstance(before, PolicyDocument) and isinstance(after, PolicyDocument)):
        return
    old, new = _parts(before), _parts(after)
    gone = [part for part in old if part not in new]
    come = [part for part in new if part not in old]
    for part in gone:
        name = _name(part)
        other = next((each for each in come if _name(each) == name and name), None)
        if other is None:
            yield Drift(f"{label}, {name or 'a statement'}", compact_json(part), "")
        else:
            come.remove(other)
            yield from _fields(f"{label}, {name}", part, other)
    for part in come:
        yield Drift(f"{label}, {_name(part) or 'a statement'}", "", compact_json(part))


def _fields(where: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Drift]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield Drift(
                f"{where}, {name}",
                "" if old is None else compact_json(old),
                "" if new is None else compact_json(new),
            )


def _parts(document: PolicyDocument) -> list[Mapping[str, Any]]:
    return [*(each.value for each in document.statements), *(each.value for each in document.bindings)]


def _name(part: Mapping[str, Any]) -> str:
    """Return what identifies a statement or binding: its Sid, or its role and condition."""
    if "role" in part:
        condition = part.get("condition") or {}
        return " ".join(filter(None, (str(part["role"]), str(condition.get("title", "")))))
    return str(part.get("Sid") or "")


def as_document(drift: Drift) -> dict[str, str]:
    """Return a difference as JSON has it."""
    return dataclasses.asdict(drift)
