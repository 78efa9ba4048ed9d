"""What one condition may not hold: keys that do not exist, and values that its operator cannot compare."""

from __future__ import annotations

from collections.abc import Iterator

from policies.checks.findings import Finding, Fix, FixAction, finding, fix
from policies.checks.global_keys import can_compare, closest, global_key_name, global_key_type, similar_global_key
from policies.checks.rules import Severity
from policies.evaluation import action_table, known_actions
from policies.language import (
    ARN_COLONS,
    Condition,
    PolicyDocument,
    Statement,
    is_year_or_seconds,
    network,
    number,
    seconds,
)

# Source: IAM Identity Center user guide, "AWS STS condition context keys for IAM Identity Center".
_KEYS_OF_SESSIONS = frozenset({"identitystore:userid"})
"""Keys that every request of some sessions carries, and whose name IAM has too."""
_READERS = {"numeric": number, "date": seconds, "ip": network}


def condition_findings(
    document: PolicyDocument, statement: Statement, condition: Condition, path: str
) -> Iterator[Finding]:
    """Yield what is wrong with a condition of a statement, at its JSON path."""
    where = statement.label
    if any("${" in value for value in condition.values) and not statement.variables:
        yield finding("old-version", f"{condition.name} is compared with ${{…}} literally", where=where, path=path)
    for value in condition.values:
        if problem := _unreadable(condition, value):
            message = f"{condition.operator} cannot compare {value!r}{problem}"
            yield finding("unreadable-value", message, where=where, path=path)
    if condition.key.startswith("aws:"):
        yield from _global_key(document, condition, where, path)
    elif condition.key.startswith(f"{document.kind}:"):
        yield from _service_key(document, statement, condition, path)
    elif meant := _of_other_prefix(condition.key, document.kind):
        message = f"{document.kind.upper()} has no condition key {condition.name}"
        yield _unknown_key(condition, message, meant, where, path)
    elif ":" not in condition.key:
        yield _unknown_key(condition, f"{condition.name} is no condition key: each has a prefix", None, where, path)


def _unreadable(condition: Condition, value: str) -> str:
    """Return in words why an operator cannot compare a value; empty where it can."""
    if "${" in value and condition.dynamic:
        return ""
    read = _READERS.get(condition.family)
    if condition.family == "date" and is_year_or_seconds(value):
        return " for certain: it is a year, or seconds since 1970"
    if read is not None and read(value) is None:
        return f": it is no {condition.family} value"
    if condition.family == "arn" and value.count(":") < ARN_COLONS:
        return ": no ARN of six segments"
    if condition.family in ("bool", "null") and value.lower() not in ("true", "false"):
        return ": neither true nor false"
    return ""


def _global_key(document: PolicyDocument, condition: Condition, where: str, path: str) -> Iterator[Finding]:
    kind = global_key_type(condition.key)
    if kind is None:
        meant = _of_other_prefix(condition.key, document.kind) or similar_global_key(condition.key)
        # A key without a similar one may be newer than the table.
        severity: Severity = "error" if meant else "warning"
        yield _unknown_key(condition, f"IAM has no condition key {condition.name}", meant, where, path, severity)
    elif not can_compare(condition.family, kind):
        message = f"{condition.operator} compares values of another type than {condition.name}, which is of type {kind}"
        yield finding("operator-of-other-type", message, where=where, path=path)


def _service_key(document: PolicyDocument, statement: Statement, condition: Condition, path: str) -> Iterator[Finding]:
    table = action_table()
    where = statement.label
    if not carries(table.keys, condition.key):
        meant = _of_other_prefix(condition.key, document.kind)
        similar = meant or closest(condition.key, (each for each in table.keys if not _has_open_part(each)))
        message = f"{document.kind.upper()} has no condition key {condition.name}"
        message += "" if similar else f"; the table of keys is of {table.date}"
        yield _unknown_key(condition, message, similar, where, path, "error" if similar else "warning")
        return
    if carries(frozenset(filter(_has_open_part, table.keys)), condition.key):
        # Which requests carry a tag of the bucket or the access point is decided by what is tagged.
        return
    acted = [each for wanted in statement.actions for each in known_actions(wanted)]
    if acted and not statement.not_action and not any(carries(each.keys, condition.key) for each in acted):
        message = f"{condition.name} is carried by requests of none of the statement's actions"
        yield finding("condition-without-action", message, where=where, path=path)


def _of_other_prefix(key: str, service: str) -> str | None:
    """Return the key of IAM or the service that has the same name after another prefix; None where none has."""
    if key in _KEYS_OF_SESSIONS:
        return None
    name = key.rpartition(":")[2]
    found = global_key_name(f"aws:{name}")
    if found is not None:
        return found
    return next((each for each in action_table().keys if each.lower() == f"{service}:{name}"), None)


def _unknown_key(
    condition: Condition, message: str, meant: str | None, where: str, path: str, severity: Severity = "error"
) -> Finding:
    correction = Fix(FixAction.EDIT)
    if meant is not None and meant.endswith("/"):
        message += f"; {meant} is followed by the name of a tag"
    elif meant is not None:
        message += f"; {meant} is meant"
        correction = fix(FixAction.CORRECT, element="Condition", text=condition.name, to=meant)
    return finding("unknown-condition-key", message, where=where, path=path, fix=correction, severity=severity)


def carries(keys: frozenset[str], key: str) -> bool:
    """Return whether ``key`` is one of ``keys``, of which some end in a part that the customer names."""
    return key in keys or any(key.startswith(each[: _open_part(each)]) for each in keys if _has_open_part(each))


def _has_open_part(key: str) -> bool:
    return _open_part(key) >= 0


def _open_part(key: str) -> int:
    return max(key.find("<"), key.find("${"))
