"""Policy documents: parsed strictly, kept as written, and measured as the cloud measures them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from policies.language.conditions import Condition, parse_conditions
from policies.language.deny_rules import DenyRule
from policies.language.policy_wrappers import unwrap
from policies.language.principals import Principals, parse_principals
from policies.language.strict_json import compact_json, dump_json, parse_json
from policies.policy_errors import GrammarError, PolicyErrorCode

DocumentKind = Literal["s3", "kms", "gcs"]
"""``s3``: a bucket policy; ``kms``: a key policy; ``gcs``: an IAM policy of a Cloud Storage bucket."""
LIMITS: Mapping[str, int] = {"s3": 20 * 1024, "kms": 32 * 1024}
"""How many bytes a document may have, without insignificant white space. Source: the S3 and KMS quotas
pages."""
VERSIONS = ("2008-10-17", "2012-10-17")
"""The versions of the policy language; the first is the default."""
_WITH_VARIABLES = "2012-10-17"
_GCS_FIELDS = frozenset({"bindings", "etag", "version", "kind", "resourceId", "auditConfigs"})
_ADDRESS = re.compile(r"((?:deleted:)?(?:user|serviceAccount|group|domain):)(.*)", re.DOTALL)
_FRAGMENT_FIELD = "Effect"
_CONTAINERS = {
    "BucketPolicy": (
        "the bucket's policy and the key's statement in one object",
        PolicyErrorCode.TWO_DOCUMENTS,
    ),
    "resource_changes": (
        "a Terraform plan without a policy that is known before it is applied",
        PolicyErrorCode.NO_POLICY_INSIDE,
    ),
    "planned_values": (
        "a Terraform plan without a policy that is known before it is applied",
        PolicyErrorCode.NO_POLICY_INSIDE,
    ),
    "Resources": (
        "a CloudFormation template, not a policy",
        PolicyErrorCode.CLOUDFORMATION_TEMPLATE,
    ),
}
"""Documents that are no policy, by a field they have: what they are."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a bucket policy or key policy."""

    index: int
    """Its index among the statements, from 0."""
    sid: str | None
    """Its Sid, if it has one."""
    effect: Literal["Allow", "Deny"]
    """``Allow`` or ``Deny``."""
    principals: Principals
    """The principals of the Principal or NotPrincipal element."""
    not_principal: bool
    """True when it is a Not element: every other value matches."""
    actions: tuple[str, ...]
    """The patterns of Action or NotAction."""
    not_action: bool
    """True when it is a Not element: every other value matches."""
    resources: tuple[str, ...]
    """The patterns of Resource or NotResource."""
    not_resource: bool
    """True when it is a Not element: every other value matches."""
    conditions: tuple[Condition, ...]
    """The conditions, all of which must hold."""
    variables: bool
    """True when the document's Version has policy variables."""
    value: Mapping[str, Any]
    """The statement as it was written."""

    @property
    def label(self) -> str:
        """The statement's number from 1, and its Sid."""
        return f"statement {self.index + 1}" + (f" ({self.sid})" if self.sid else "")


@dataclass(frozen=True, slots=True)
class Binding:
    """One binding of a GCS policy."""

    index: int
    """Its index among the bindings, from 0."""
    role: str
    """The role granted."""
    members: tuple[str, ...]
    """The members it is granted to, as `normal_member` spells them."""
    condition: Mapping[str, Any] | None
    """The condition, if it has one: a mapping with ``expression`` in CEL."""
    value: Mapping[str, Any]
    """The binding as it was written."""

    @property
    def label(self) -> str:
        """The binding's number from 1, and its role."""
        return f"binding {self.index + 1} ({self.role})"


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class PolicyDocument:
    """A policy document: its statements or bindings, and the JSON value as it was written."""

    kind: DocumentKind
    """The kind of document."""
    value: Mapping[str, Any]
    """The whole document as it was written, unknown fields included."""
    statements: tuple[Statement, ...]
    """The statements; empty for GCS."""
    bindings: tuple[Binding, ...]
    """The bindings; empty for S3 and KMS."""
    source: str
    """The name of the file, for errors and findings; may be empty."""
    fragment: bool
    """True when the text was a bare statement, not a document: something to add to one."""
    denials: tuple[DenyRule, ...] | None = ()
    """The rules of a deny policy that a GCS bucket inherits; None where the policy was given without them."""

    @property
    def size(self) -> int:
        """The document's size in bytes as the cloud counts it: without insignificant white space."""
        return len(compact_json(self.value).encode())

    def dump(self) -> str:
        """Return the document as text: stable, in its own order, ending in a newline."""
        return dump_json(self.value)


def parse(
    text: str | bytes,
    *,
    kind: DocumentKind | None = None,
    source: str = "",
    fragment: bool = False,
    bucket: str = "",
) -> PolicyDocument:
    """Parse a policy document; with ``fragment``, a bare statement is accepted too.

    The policy may also be inside what a tool prints around it; of several, that for ``bucket`` is taken. See `unwrap`.

    ``kind`` is detected when it is not given. Raises ParseError for text that is not JSON, GrammarError for
    JSON that is no policy.
    """
    value = unwrap(parse_json(text, source=source), source=source, kind=kind, bucket=bucket)
    return document(value, kind=kind, source=source, fragment=fragment)


def document(
    value: Any, *, kind: DocumentKind | None = None, source: str = "", fragment: bool = False
) -> PolicyDocument:
    """Build a policy document from parsed JSON; see `parse`.

    Raises GrammarError for JSON that is no policy.
    """
    try:
        return _document(value, kind, source, fragment=fragment)
    except GrammarError as error:
        raise GrammarError(error.problem, path=error.path, source=source, code=error.code) from None


def _document(value: Any, kind: DocumentKind | None, source: str, *, fragment: bool) -> PolicyDocument:
    if not isinstance(value, Mapping):
        raise GrammarError("a policy is a JSON object", path="$")
    bare = fragment and "Statement" not in value and _FRAGMENT_FIELD in value
    kind = kind or _detect(value, bare=bare)
    if kind == "gcs":
        if not _is_gcs(value):
            raise _no_policy(value, "no bindings", PolicyErrorCode.NO_BINDINGS)
        return PolicyDocument(kind, value, (), tuple(_bindings(value)), source, fragment=False)
    if bare:
        # A bare statement is part of a document of the current version.
        statement = _statement(value, 0, "$", variables=True)
        return PolicyDocument(kind, value, (statement,), (), source, fragment=True)
    version = value.get("Version", VERSIONS[0])
    if version not in VERSIONS:
        raise GrammarError(
            f"no version of the policy language: {version!r}",
            path="$.Version",
            code=PolicyErrorCode.UNKNOWN_VERSION,
        )
    statements = tuple(
        _statement(each, index, path, variables=version == _WITH_VARIABLES)
        for index, (path, each) in enumerate(_statement_values(value))
    )
    return PolicyDocument(kind, value, statements, (), source, fragment=False)


def _detect(value: Mapping[str, Any], *, bare: bool) -> DocumentKind:
    if value and _is_gcs(value):
        return "gcs"
    given = value if bare else value.get("Statement")
    actions: set[str] = set()
    resources: set[str] = set()
    for each in given if isinstance(given, list) else [given]:
        if isinstance(each, Mapping):
            actions.update(_services(each.get("Action", each.get("NotAction"))))
            resources.update(_resource_kinds(each.get("Resource", each.get("NotResource"))))
    if "s3" in resources or "s3" in actions:
        return "s3"
    return "kms" if "kms" in actions or "kms" in resources or resources == {"*"} else "s3"


def _is_gcs(value: Mapping[str, Any]) -> bool:
    return "bindings" in value or value.keys() <= _GCS_FIELDS


def _no_policy(value: Mapping[str, Any], problem: str, code: PolicyErrorCode) -> GrammarError:
    """Return the error of a document that is no policy: what it is instead, where that is known."""
    known = (each for name, each in _CONTAINERS.items() if name in value)
    problem, code = next(known, (problem, code))
    return GrammarError(problem, path="$", code=code)


def _services(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            yield each.partition(":")[0].lower()


def _resource_kinds(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            parts = each.split(":")
            yield parts[2] if len(parts) > 2 else each  # arn:partition:service


def _statement_values(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if "Statement" not in value:
        raise _no_policy(value, "no Statement", PolicyErrorCode.NO_STATEMENT)
    given = value["Statement"]
    if isinstance(given, list):
        for index, each in enumerate(given):
            yield f"$.Statement[{index}]", each
    else:
        yield "$.Statement", given


def _statement(value: Any, index: int, path: str, *, variables: bool) -> Statement:
    if not isinstance(value, Mapping):
        raise GrammarError("a statement is a JSON object", path=path)
    sid = value.get("Sid")
    if sid is not None and not isinstance(sid, str):
        raise GrammarError("a Sid is a string", path=f"{path}.Sid")
    effect = value.get("Effect")
    if effect not in ("Allow", "Deny"):
        problem = "no Effect" if effect is None else f"no effect: {effect!r}"
        raise GrammarError(problem, path=f"{path}.Effect", code=PolicyErrorCode.NO_EFFECT)
    principal = _either(value, "Principal", path)
    action = _either(value, "Action", path)
    resource = _either(value, "Resource", path)
    return Statement(
        index=index,
        sid=sid,
        effect=effect,
        principals=parse_principals(value[principal], f"{path}.{principal}"),
        not_principal=principal.startswith("Not"),
        actions=_texts(value[action], f"{path}.{action}"),
        not_action=action.startswith("Not"),
        resources=_texts(value[resource], f"{path}.{resource}"),
        not_resource=resource.startswith("Not"),
        conditions=parse_conditions(value.get("Condition", {}), f"{path}.Condition", variables=variables),
        variables=variables,
        value=value,
    )


def _either(value: Mapping[str, Any], name: str, path: str) -> str:
    present = [each for each in (name, f"Not{name}") if each in value]
    if len(present) == 1:
        return present[0]
    problem = f"both {name} and Not{name}" if present else f"neither {name} nor Not{name}"
    if name == "Principal" and not present:
        raise GrammarError(
            "this is an identity policy: a bucket or key policy names a Principal in each statement",
            path=path,
            code=PolicyErrorCode.IDENTITY_POLICY,
        )
    raise GrammarError(problem, path=path)


def _texts(value: Any, path: str) -> tuple[str, ...]:
    items: Sequence[Any] = value if isinstance(value, list) else [value]
    if not items:
        raise GrammarError("an empty list", path=path)
    for item in items:
        if not isinstance(item, str) or not item:
            raise GrammarError("an empty string" if item == "" else "not a string, nor a list of strings", path=path)
    return tuple(items)


def normal_member(member: str) -> str:
    """Return a member as Cloud Storage stores it: its address in lower case.

    IAM ignores the case of addresses and domains; that of types, of pools and of the ids of projects counts.
    """
    found = _ADDRESS.match(member)
    return member if found is None else found[1] + found[2].lower()


def _bindings(value: Mapping[str, Any]) -> Iterator[Binding]:
    given = value.get("bindings", [])
    if not isinstance(given, list):
        raise GrammarError("not a list of bindings", path="$.bindings")
    for index, each in enumerate(given):
        path = f"$.bindings[{index}]"
        if not isinstance(each, Mapping):
            raise GrammarError("a binding is a JSON object", path=path)
        role = each.get("role")
        if not isinstance(role, str) or not role:
            raise GrammarError("a binding names a role", path=f"{path}.role")
        condition = each.get("condition")
        if condition is not None and not (
            isinstance(condition, Mapping) and isinstance(condition.get("expression"), str)
        ):
            raise GrammarError("a condition has an expression", path=f"{path}.condition")
        members = each.get("members", [])
        if not isinstance(members, list):
            raise GrammarError("not a list of members", path=f"{path}.members")
        members = tuple(map(normal_member, _texts(members, f"{path}.members"))) if members else ()
        yield Binding(index, role, members, condition, each)


VERSION = "2012-10-17"


CONDITION_VERSION = 3
