"""Cloud Storage bindings: which member has which permission, on which objects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import NamedTuple

from policies.checks.proof.gcs_conditions import (
    Expression,
    NameTest,
    OtherTest,
    TimeTest,
    holds,
    parse_expression,
    single_tests,
)
from policies.checks.proof.verdicts import UnknownReason, VerdictState
from policies.contracts import Target
from policies.language import Binding, Pattern, StateLimitError, Wildcard, regions

PUBLIC_MEMBERS = ("allUsers", "allAuthenticatedUsers")
"""Members that are everyone, or everyone with a Google account."""
_ROLES: Mapping[str, frozenset[str]] = {
    role: frozenset(permissions.split())
    for role, permissions in {
        "roles/storage.objectCreator": "create multipart",
        "roles/storage.objectViewer": "get list",
        "roles/storage.objectUser": "create delete get list update multipart",
        "roles/storage.objectAdmin": "create delete get list update iam multipart",
        "roles/storage.admin": "create delete get list update iam multipart bucket",
        "roles/storage.legacyBucketReader": "list",
        "roles/storage.legacyBucketWriter": "create delete list multipart",
        "roles/storage.legacyBucketOwner": "create delete list multipart bucket",
        "roles/storage.legacyObjectReader": "get",
        "roles/storage.legacyObjectOwner": "get update iam",
        "roles/storage.folderAdmin": "",
        "roles/storage.insightsCollectorService": "",
        "roles/viewer": "",
        "roles/editor": "",
        "roles/owner": "bucket",
        "roles/browser": "",
    }.items()
}
"""What the predefined roles permit, in short. Source: the page "IAM roles for Cloud Storage", 2026-09."""
# Not among them are owners, editors and viewers of the customer's project, which every new bucket grants: Nimble is
# one only if the project's policy, which counts as unread, makes it one.
_ALIKE = 0.95
"""The similarity from which a role counts as another one misspelt; those that exist are less alike."""
_OPAQUE_MEMBERS = ("group:", "domain:", "principalSet:", "principal:")
_WITHOUT_SERVICE_ACCOUNTS = re.compile(
    r"domain:|principal(?:Set)?://iam\.googleapis\.com/.*/(?:workloadIdentityPools|workforcePools)/"
)
"""Members that no service account is one of. Source: Cloud IAM documentation, "Principal identifiers" and "Service
accounts": they are members of no Google Workspace domain, and a pool holds identities of other providers."""
_BASIC_ROLES = {"roles/owner": "projectOwner:", "roles/editor": "projectEditor:", "roles/viewer": "projectViewer:"}
"""The members that are everyone with a basic role on a project."""
_OBJECTS = "projects/_/buckets/{bucket}/objects/"


PROJECT_POLICY = UnknownReason(
    "unread",
    "project-policy",
    permission="resourcemanager.projects.getIamPolicy",
    detail="roles inherited from project, folder and organisation were not read",
)
"""Why a missing binding does not decide: a role may be inherited. Read it with
``gcloud projects get-ancestors-iam-policy``."""
_TIME_BOUNDS = 64
_YEARS = range(2, 9_999)
"""The years of which the times just before and after are dates too."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Whether bindings grant a member a permission on every object under a prefix."""

    state: VerdictState
    """``holds``, ``unknown`` or ``fails``."""
    example: str
    """A key with this state, as a ``gs://`` location."""
    bindings: tuple[Binding, ...]
    """The bindings that decide it."""
    reasons: tuple[UnknownReason, ...]
    """For ``unknown``: why."""
    needs: tuple[str, ...]
    """What the deciding bindings require, in words."""
    holds_until: datetime | None
    """When the grant ends or ended; None where no condition on the time decides."""


def role_permissions(role: str) -> frozenset[str] | None:
    """Return what a predefined role permits on objects, in short words; None for a role that is not known."""
    return _ROLES.get(role)


def similar_role(role: str) -> str | None:
    """Return the predefined role that a name misspells by a letter or two; None where none is so similar."""
    alike = [each for each in _ROLES if abs(len(each) - len(role)) <= 1 and role not in _ROLES]
    scored = ((SequenceMatcher(None, role.lower(), each.lower()).ratio(), each) for each in alike)
    best = max(scored, default=(0.0, ""))
    return best[1] if best[0] >= _ALIKE else None


def is_stale(member: str) -> bool:
    """Return whether a member is a deleted account, which matches no requester."""
    return member.startswith("deleted:")


def prove_bindings(
    member: str,
    target: Target,
    bindings: Sequence[Binding],
    permission: str,
    *,
    inherited: Sequence[Binding] | None = None,
    at: datetime | None = None,
) -> Grant:
    """Prove a permission, such as ``storage.objects.create``, for every object under the target's prefix.

    ``inherited`` are the bindings of project, folders and organisation; None when they were not read.
    """
    wanted = permission.rsplit(".", 1)[-1]
    head = _OBJECTS.format(bucket=target.bucket)
    groups = tuple(_groups_of(member, inherited or ()))
    relevant = [
        _Relevant(binding, parse_expression(_expression(binding), head=head), tuple(doubts))
        for binding in (*bindings, *(inherited or ()))
        if (doubts := _doubts(binding, member, groups, wanted)) is not None
    ]
    found = _decide(relevant, target, at)
    until = _holds_until(relevant, target, found.state, at)
    if found.state == "holds":
        return replace(found, holds_until=until)
    needs = found.needs if until is None else (f"the grant ended on {until:%Y-%m-%dT%H:%M:%SZ}", *found.needs)
    reasons = found.reasons if inherited is not None else (*found.reasons, PROJECT_POLICY)
    return replace(found, state="unknown" if reasons else "fails", reasons=reasons, needs=needs, holds_until=until)


class _Relevant(NamedTuple):
    """A binding that may grant the permission to the member."""

    binding: Binding
    condition: Expression
    doubts: tuple[UnknownReason, ...]


def _expression(binding: Binding) -> str:
    return str(binding.condition["expression"]) if binding.condition else "true"


def _decide(relevant: Sequence[_Relevant], target: Target, at: datetime | None) -> Grant:
    (prefix,) = target.prefixes.values()
    objects = Pattern((_OBJECTS.format(bucket=target.bucket) + prefix, Wildcard.ONE, Wildcard.RUN))
    single = [each for one in relevant for each in single_tests(one.condition)]
    patterns = list(dict.fromkeys(each.pattern for each in single if isinstance(each, NameTest)))
    granting: dict[int, Binding] = {}
    undecided: Grant | None = None
    example = ""
    try:
        for region in regions(patterns, (objects,)):
            example = region.example
            results = [(each, holds(each.condition, region.example, at)) for each in relevant]
            certain = [each.binding for each, result in results if result and not each.doubts]
            granting.update((id(each), each) for each in certain)
            if certain:
                continue
            open_ = [each for each, result in results if result is not False]
            if not open_:
                return _missing(relevant, region.example, target)
            undecided = undecided or _undecided(open_, region.example, target)
    except StateLimitError:
        limit = UnknownReason("bound", "regions", detail="the object names overlap in too many combinations")
        return Grant("unknown", _at(example or str(objects), target), (), (limit,), (), None)
    if undecided is not None:
        return undecided
    return Grant("holds", _at(example, target), tuple(granting.values()), (), (), None)


def _undecided(relevant: Sequence[_Relevant], example: str, target: Target) -> Grant:
    reasons: dict[UnknownReason, None] = {}
    for each in relevant:
        reasons.update(dict.fromkeys((*each.doubts, *_open_tests(each.condition))))
    needs = tuple(f"{each.binding.label} grants it if {_expression(each.binding)}" for each in relevant)
    return Grant("unknown", _at(example, target), tuple(each.binding for each in relevant), tuple(reasons), needs, None)


def _open_tests(condition: Expression) -> Iterator[UnknownReason]:
    for each in single_tests(condition):
        if isinstance(each, TimeTest):
            yield UnknownReason("condition", "request.time", (each.moment.isoformat(),))
        elif isinstance(each, OtherTest):
            yield UnknownReason("condition", each.text)


def _missing(relevant: Sequence[_Relevant], example: str, target: Target) -> Grant:
    narrow = [each.binding for each in relevant if each.binding.condition]
    needs = tuple(f"{each.label} grants it only where {_expression(each)}" for each in narrow)
    return Grant("fails", _at(example, target), tuple(narrow), (), needs, None)


def _holds_until(
    relevant: Sequence[_Relevant], target: Target, state: VerdictState, at: datetime | None
) -> datetime | None:
    """Return when a grant ends, or when one that is missing ended."""
    if at is None:
        return None
    single = (each for one in relevant for each in single_tests(one.condition))
    bounds = sorted({each.moment for each in single if isinstance(each, TimeTest) and is_within_calendar(each.moment)})
    second = timedelta(seconds=1)

    def granted(moment: datetime) -> bool:
        return _decide(relevant, target, moment).state == "holds"

    if state == "holds":
        later = [each for each in bounds if each >= at][:_TIME_BOUNDS]
        return next((each for each in later if not (granted(each) and granted(each + second))), None)
    earlier = [each for each in reversed(bounds) if each <= at][:_TIME_BOUNDS]
    return next((each for each in earlier if granted(each) or granted(each - second)), None)


def _groups_of(member: str, inherited: Sequence[Binding]) -> Iterator[str]:
    """Yield what the members start with that are everyone with a basic role which ``member`` has."""
    for binding in inherited:
        if binding.role in _BASIC_ROLES and member in binding.members and not binding.condition:
            yield _BASIC_ROLES[binding.role]


def _may_be(named: str, member: str) -> bool:
    """Return whether a member may be one that others are part of, such as a group."""
    is_account = member.startswith("serviceAccount:")
    return named.startswith(_OPAQUE_MEMBERS) and not (is_account and _WITHOUT_SERVICE_ACCOUNTS.match(named))


def is_within_calendar(moment: datetime) -> bool:
    """Return whether the times just before and after a moment are dates too."""
    return moment.year in _YEARS


def _doubts(binding: Binding, member: str, groups: tuple[str, ...], wanted: str) -> list[UnknownReason] | None:
    """Return why it is not known whether a binding grants ``wanted`` to ``member``; None when it does not."""
    permissions = role_permissions(binding.role)
    if permissions is not None and wanted not in permissions:
        return None
    doubts: list[UnknownReason] = []
    if permissions is None:
        detail = f"whether the role contains storage.objects.{wanted}"
        doubts.append(UnknownReason("unread", binding.role, permission="iam.roles.get", detail=detail))
    named = (each == member or each in PUBLIC_MEMBERS or each.startswith(groups) for each in binding.members)
    if any(named):
        return doubts
    opaque = [each for each in binding.members if _may_be(each, member)]
    if not opaque:
        return None
    return [UnknownReason("unread", opaque[0], detail="whether Nimble's service account is a member"), *doubts]


def _at(name: str, target: Target) -> str:
    return f"gs://{target.bucket}/{name.removeprefix(_OBJECTS.format(bucket=target.bucket))}"
