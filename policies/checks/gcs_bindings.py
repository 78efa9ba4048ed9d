"""Cloud Storage bindings: who holds which permission, on which objects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from policies.contracts import Target
from policies.language import Binding, Pattern, Wildcard, left_over, literal

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
# Owners, editors and viewers of the customer's project are not among them, though every new bucket admits them: Nimble
# is one only if the project's own policy says so, and what is inherited from there counts as not proven.
_OPAQUE_MEMBERS = ("group:", "domain:", "principalSet:", "principal:")
_STARTS_WITH = re.compile(r'\s*resource\.name\.startsWith\(\s*(["\'])((?:\\.|(?!\1).)*)\1\s*\)\s*\Z', re.DOTALL)
_OTHER_ESCAPE = re.compile(r"""(?<!\\)(?:\\\\)*\\[^\\"'`?]""")
_OBJECTS = "projects/_/buckets/{bucket}/objects/"


@dataclass(frozen=True, slots=True)
class Grant:
    """Whether bindings give a member a permission on every object under a prefix."""

    state: Literal["holds", "fails", "unknown"]
    """For every key, not for at least one, or depending on what a binding's condition or member means."""
    example: str
    """A key for which it comes out so, as a ``gs://`` location."""
    bindings: tuple[Binding, ...]
    """The bindings that decide it."""
    depends_on: tuple[str, ...]
    """What it depends on."""
    needs: tuple[str, ...]
    """The same in words."""


def role_permissions(role: str) -> frozenset[str] | None:
    """Return what a predefined role permits on objects, in short words; None for a role that is not known."""
    return _ROLES.get(role)


def is_stale(member: str) -> bool:
    """Tell whether a member is a deleted account: it matches nobody."""
    return member.startswith("deleted:")


def prove_bindings(member: str, target: Target, bindings: Sequence[Binding], permission: str) -> Grant:
    """Prove a permission, such as ``storage.objects.create``, for every object under the target's prefix."""
    wanted = permission.rsplit(".", 1)[-1]
    (prefix,) = target.prefixes.values()
    objects = Pattern((_OBJECTS.format(bucket=target.bucket) + prefix, Wildcard.ONE, Wildcard.RUN))
    granted: list[tuple[Binding, list[Pattern]]] = []
    open_bindings: list[tuple[Binding, str]] = []
    for binding in bindings:
        applies, doubt = _applies(binding, member, wanted)
        if not applies:
            continue
        covered = _covered(binding)
        if covered is None:
            expression = (binding.condition or {}).get("expression", "")
            doubt = doubt or f"the condition {expression} holds"
        if doubt or covered is None:
            open_bindings.append((binding, doubt))
        else:
            granted.append((binding, covered))
    gap = left_over(objects, [each for _, covered in granted for each in covered])
    if gap is None:
        return Grant("holds", _location(objects, target), tuple(binding for binding, _ in granted), (), ())
    if open_bindings:
        doubts = tuple(f"{binding.label} grants it if {doubt}" for binding, doubt in open_bindings)
        depends_on = tuple(f"whether {doubt}" for _, doubt in open_bindings)
        return Grant("unknown", _at(gap, target), tuple(binding for binding, _ in open_bindings), depends_on, doubts)
    narrow = tuple(
        f"{binding.label} grants it only where {binding.condition['expression']}"
        for binding, _ in granted
        if binding.condition
    )
    return Grant("fails", _at(gap, target), tuple(binding for binding, _ in granted), (), narrow)


def _applies(binding: Binding, member: str, wanted: str) -> tuple[bool, str]:
    """Tell whether a binding may give ``wanted`` to ``member``, and what that depends on."""
    permissions = role_permissions(binding.role)
    if permissions is not None and wanted not in permissions:
        return False, ""
    role_doubt = "" if permissions is not None else f"the role {binding.role} holds storage.objects.{wanted}"
    if member in binding.members or any(each in PUBLIC_MEMBERS for each in binding.members):
        return True, role_doubt
    opaque = [each for each in binding.members if each.startswith(_OPAQUE_MEMBERS)]
    if not opaque:
        return False, ""
    return True, " and ".join(filter(None, (f"Nimble belongs to {opaque[0]}", role_doubt)))


def _covered(binding: Binding) -> list[Pattern] | None:
    """Return the object names a binding covers; None when its condition is not understood."""
    if binding.condition is None:
        return [Pattern((Wildcard.RUN,))]
    covered: list[Pattern] = []
    for alternative in binding.condition["expression"].split("||"):
        found = _STARTS_WITH.match(alternative)
        # Of CEL's escapes only those that stand for themselves are read; \n, \x41 and the like are not understood.
        if found is None or _OTHER_ESCAPE.search(found.group(2)):
            return None
        text = re.sub(r"\\(.)", r"\1", found.group(2))
        covered.append(Pattern((*literal(text).tokens, Wildcard.RUN)))
    return covered


def _location(objects: Pattern, target: Target) -> str:
    return _at(str(objects).removesuffix("?*") + "x", target)


def _at(name: str, target: Target) -> str:
    return f"gs://{target.bucket}/{name.removeprefix(_OBJECTS.format(bucket=target.bucket))}"
