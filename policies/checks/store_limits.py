"""What S3, KMS and Cloud Storage refuse to store, or store without its meaning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.checks.findings import Finding, finding
from policies.checks.gcs_bindings import PUBLIC_MEMBERS, is_stale
from policies.contracts import Target, facts
from policies.evaluation import action_table, known_actions, resource_pattern
from policies.language import (
    ARN_COLONS,
    CONDITION_VERSION,
    LIMITS,
    Binding,
    Condition,
    Pattern,
    PolicyDocument,
    StateLimitError,
    Statement,
    Variable,
    Wildcard,
    caller,
    intersects,
    is_unique_id,
    network,
    number,
    seconds,
    template,
)

NEAR = 0.9
"""From which share of the limit on a document counts as nearly too large."""
_DOCUMENT_FIELDS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_FIELDS = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)
_BUCKET_ARN = "arn:aws:s3:::"
_SERVICES = {"s3": ("s3",), "kms": ("kms",)}
_MEMBERS = (
    *("user:", "serviceAccount:", "group:", "domain:", "principal:", "principalSet:", "deleted:"),
    *("projectOwner:", "projectEditor:", "projectViewer:"),
)
_READERS = {"numeric": number, "date": seconds, "ip": network}


def refusals(document: PolicyDocument, raw_size: int | None = None) -> Iterator[Finding]:
    """Yield what the cloud would refuse; ``raw_size`` is the text's own size in bytes, when known."""
    if document.kind == "gcs":
        yield from _gcs(document)
        return
    if document.fragment:
        yield finding("fragment", "a bare statement, to be added to a document")
    else:
        yield from _document(document, raw_size)
    for statement in document.statements:
        yield from _statement(document, statement)


def path_of(document: PolicyDocument, statement: Statement) -> str:
    """Return the JSON path of a statement."""
    if document.fragment:
        return "$"
    return f"$.Statement[{statement.index}]" if isinstance(document.value["Statement"], list) else "$.Statement"


def misplaced(document: PolicyDocument, target: Target) -> Iterator[Finding]:
    """Yield the resources of a bucket's policy that are of another bucket, which S3 refuses."""
    if document.kind != "s3":
        return
    for statement in document.statements:
        for resource in statement.resources if not statement.not_resource else ():
            if resource.startswith(_BUCKET_ARN) and not _may_be_in(target, statement, resource):
                message = f"{resource} is not in the bucket {target.bucket}"
                path = f"{path_of(document, statement)}.Resource"
                yield finding("wrong-bucket", message, where=statement.label, path=path)


def _may_be_in(target: Target, statement: Statement, resource: str) -> bool:
    # Whatever a variable stands for, it may be in this bucket.
    parts = template(resource, variables=statement.variables, wildcards=True).parts
    given = resource_pattern(tuple(Wildcard.RUN if isinstance(each, Variable) else each for each in parts))
    own = (Pattern((target.bucket_arn,)), Pattern((f"{target.bucket_arn}/", Wildcard.RUN)))
    try:
        return any(intersects(given, each) for each in own)
    except StateLimitError:
        return True


def _document(document: PolicyDocument, raw_size: int | None) -> Iterator[Finding]:
    for name in document.value.keys() - _DOCUMENT_FIELDS:
        yield finding("unknown-field", f"the document has a field {name!r}", path=f"$.{name}")
    if not document.statements:
        yield finding("no-statement", "Statement is empty", path="$.Statement")
    limit = LIMITS[document.kind]
    if document.size > limit:
        yield finding("too-large", f"{document.size:,} bytes; at most {limit:,} are stored")
    elif document.size > limit * NEAR:
        yield finding("near-limit", f"{document.size:,} of {limit:,} bytes")
    elif raw_size is not None and raw_size > limit:
        yield finding("near-limit", f"{raw_size:,} bytes with white space, {document.size:,} of {limit:,} without")
    sids: dict[str, Statement] = {}
    for statement in document.statements:
        if statement.sid and statement.sid in sids:
            message = f"{statement.sid!r} is also the Sid of {sids[statement.sid].label}"
            yield finding("duplicate-sid", message, where=statement.label, path=f"{path_of(document, statement)}.Sid")
        sids.setdefault(statement.sid or "", statement)
    if document.kind == "kms":
        yield from _lockout(document)


def _lockout(document: PolicyDocument) -> Iterator[Finding]:
    keeping = [each for each in document.statements if _keeps_control(each)]
    if not keeping:
        yield finding("key-lockout", "no statement lets the key's own account change the key's policy")
    elif all(each.conditions for each in keeping):
        message = "the key's own account may change the key's policy only under a condition"
        path = f"{path_of(document, keeping[0])}.Condition"
        yield finding("key-control-conditional", message, where=keeping[0].label, path=path)


def _keeps_control(statement: Statement) -> bool:
    if statement.effect != "Allow" or statement.not_principal:
        return False
    changes = any(any(known.name == "kms:PutKeyPolicy" for known in known_actions(each)) for each in statement.actions)
    of_the_owner = any(caller(each).account not in ("", facts().account) for each in statement.principals.aws)
    return changes is not statement.not_action and (of_the_owner or statement.principals.everyone)


def _statement(document: PolicyDocument, statement: Statement) -> Iterator[Finding]:
    path, where = path_of(document, statement), statement.label
    for name in statement.value.keys() - _STATEMENT_FIELDS:
        yield finding("unknown-field", f"the statement has a field {name!r}", where=where, path=f"{path}.{name}")
    yield from _principals(statement, path)
    yield from _actions(document, statement, path)
    yield from _resources(document, statement, path)
    for condition in statement.conditions:
        yield from _condition(document, statement, condition, f"{path}.Condition.{condition.operator}.{condition.name}")


def _principals(statement: Statement, path: str) -> Iterator[Finding]:
    element = f"{path}.{'NotPrincipal' if statement.not_principal else 'Principal'}"
    if statement.not_principal and statement.effect == "Allow":
        yield finding("allow-not-principal", "Allow with NotPrincipal", where=statement.label, path=element)
    for named in statement.principals.aws:
        if is_unique_id(named):
            yield finding(
                "deleted-principal",
                f"{named} is what remains of a deleted user or role",
                where=statement.label,
                path=element,
            )
        elif caller(named).kind != "aws":
            yield finding(
                "invalid-principal",
                f"{named!r} is no ARN of a user, role or account",
                where=statement.label,
                path=element,
            )
        elif "*" in named or "?" in named:
            yield finding(
                "invalid-principal",
                f"a wildcard inside an ARN: {named!r}",
                where=statement.label,
                path=element,
            )


def _actions(document: PolicyDocument, statement: Statement, path: str) -> Iterator[Finding]:
    element = f"{path}.{'NotAction' if statement.not_action else 'Action'}"
    for wanted in statement.actions:
        known = [each for each in known_actions(wanted) if each.name.startswith(_SERVICES[document.kind])]
        if not known:
            yield finding(
                "unknown-action",
                f"{wanted!r} matches no action of {document.kind.upper()}",
                where=statement.label,
                path=element,
            )
        elif document.kind == "s3" and not statement.not_action and not statement.not_resource:
            kinds = frozenset().union(*(each.resources for each in known))
            if not any(_may_be(kinds, resource) for resource in statement.resources):
                names = " and ".join(sorted(kinds)) or "no resource"
                message = f"{wanted} works on {names}, and no resource here is one"
                yield finding("action-without-resource", message, where=statement.label, path=element)


def _may_be(kinds: frozenset[str], resource: str) -> bool:
    """Tell whether a pattern of Resource can be a bucket or an object, of which ``kinds`` speaks."""
    name = resource.split(":", 5)[-1]
    if resource == "*" or ":accesspoint/" in resource or not resource.startswith("arn:"):
        return True
    is_object = "/" in name or "*" in name or "${" in name
    is_bucket = "/" not in name
    return (is_object and "object" in kinds) or (is_bucket and "bucket" in kinds)


def _resources(document: PolicyDocument, statement: Statement, path: str) -> Iterator[Finding]:
    element = f"{path}.{'NotResource' if statement.not_resource else 'Resource'}"
    for resource in statement.resources:
        parts = resource.split(":", 5)
        service = parts[2] if len(parts) == 6 and parts[0] == "arn" else ""
        if resource != "*" and service != document.kind:
            message = f"{resource!r} is no ARN of {document.kind.upper()}"
            yield finding("invalid-resource", message, where=statement.label, path=element)
        if "${" in resource and not statement.variables:
            yield finding("old-version", f"{resource!r} is taken literally", where=statement.label, path=element)


def _condition(document: PolicyDocument, statement: Statement, condition: Condition, path: str) -> Iterator[Finding]:
    if any("${" in value for value in condition.values) and not statement.variables:
        yield finding(
            "old-version",
            f"{condition.name} is compared with ${{…}} literally",
            where=statement.label,
            path=path,
        )
    read = _READERS.get(condition.family)
    for value in condition.values if read else ():
        if read is not None and read(value) is None:
            yield finding(
                "unreadable-value",
                f"{condition.operator} cannot compare {value!r}",
                where=statement.label,
                path=path,
            )
    for value in condition.values if condition.family == "arn" and not condition.dynamic else ():
        if value.count(":") < ARN_COLONS:
            message = f"{condition.operator} cannot compare {value!r}: no ARN of six segments"
            yield finding("unreadable-value", message, where=statement.label, path=path)
    for value in condition.values if condition.family in ("bool", "null") else ():
        if value.lower() not in ("true", "false"):
            yield finding(
                "unreadable-value",
                f"{condition.operator} cannot compare {value!r}",
                where=statement.label,
                path=path,
            )
    service = f"{document.kind}:"
    if not condition.key.startswith(service):
        return
    if not _is_known_key(condition.key):
        yield finding(
            "unknown-condition-key",
            f"{document.kind.upper()} has no condition key {condition.name}",
            where=statement.label,
            path=path,
        )
        return
    acted = [each for wanted in statement.actions for each in known_actions(wanted)]
    if acted and not statement.not_action and not any(_carries(each.keys, condition.key) for each in acted):
        message = f"{condition.name} is carried by requests of none of the statement's actions"
        yield finding("condition-without-action", message, where=statement.label, path=path)


def _is_known_key(key: str) -> bool:
    return _carries(action_table().keys, key)


def _carries(keys: frozenset[str], key: str) -> bool:
    """Tell whether ``key`` is one of ``keys``, of which some end in a part that anybody can name."""
    return key in keys or any(key.startswith(each[: _open(each)]) for each in keys if _open(each) >= 0)


def _open(key: str) -> int:
    return max(key.find("<"), key.find("${"))


def _gcs(document: PolicyDocument) -> Iterator[Finding]:
    for binding in document.bindings:
        path = f"$.bindings[{binding.index}]"
        for member in binding.members:
            yield from _member(binding, member, f"{path}.members")
        if binding.condition is not None and document.value.get("version") != CONDITION_VERSION:
            version: Any = document.value.get("version", "none")
            yield finding(
                "condition-needs-version-3",
                f"the version is {version}",
                where=binding.label,
                path=f"{path}.condition",
            )


def _member(binding: Binding, member: str, path: str) -> Iterator[Finding]:
    if is_stale(member):
        yield finding("stale-member", f"{member} is a deleted account", where=binding.label, path=path)
    elif member not in PUBLIC_MEMBERS and not member.startswith(_MEMBERS):
        yield finding("invalid-member", f"{member!r} is no member", where=binding.label, path=path)
