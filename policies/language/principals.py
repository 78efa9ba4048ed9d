"""The Principal and NotPrincipal elements of a statement, and whether they match a requester."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from policies.policy_errors import GrammarError, PolicyErrorCode

ANYONE = "*"
"""As the principal of a request: an anonymous request."""
_KINDS = ("AWS", "Service", "Federated", "CanonicalUser")
_ACCOUNT = re.compile(r"[0-9]{12}\Z")
_ACCOUNT_ROOT = re.compile(r"arn:([^:]+):iam::([0-9]{12}):root\Z")
_CALLER = re.compile(r"arn:([^:]+):(iam|sts)::([0-9]{12}):(.+)\Z", re.DOTALL)
_CANONICAL = re.compile(r"[0-9a-f]{64}\Z")
_UNIQUE_ID = re.compile(r"A[A-Z0-9]{15,127}\Z")


@dataclass(frozen=True, slots=True)
class Principals:
    """The principals of a statement."""

    everyone: bool
    """True for ``"*"`` and ``{"AWS": "*"}``: everyone, also without credentials."""
    aws: tuple[str, ...]
    """The AWS principals: ARNs, account ids, unique ids."""
    service: tuple[str, ...]
    """The service principals."""
    federated: tuple[str, ...]
    """The identity providers."""
    canonical: tuple[str, ...]
    """The canonical user ids."""

    @property
    def named(self) -> tuple[str, ...]:
        """Every principal named, of any kind."""
        return self.aws + self.service + self.federated + self.canonical


def parse_principals(value: Any, path: str) -> Principals:
    """Read a Principal or NotPrincipal element; raises GrammarError at ``path``."""
    if value == ANYONE:
        return Principals(True, (), (), (), ())  # noqa: FBT003  # the field's name stands in the class
    if not isinstance(value, Mapping):
        raise GrammarError('neither "*" nor an object such as {"AWS": "ARN"}', path=path)
    if not value:
        raise GrammarError("names no principal", path=path, code=PolicyErrorCode.NO_PRINCIPAL)
    named: dict[str, tuple[str, ...]] = dict.fromkeys(_KINDS, ())
    for kind, each in value.items():
        if kind not in named:
            raise GrammarError(
                f"no kind of principal: {kind!r}", path=path, code=PolicyErrorCode.UNKNOWN_PRINCIPAL_KIND
            )
        named[kind] = tuple(_texts(each, f"{path}.{kind}"))
    aws = named["AWS"]
    return Principals(
        everyone=ANYONE in aws,
        aws=tuple(each for each in aws if each != ANYONE),
        service=named["Service"],
        federated=named["Federated"],
        canonical=named["CanonicalUser"],
    )


def _texts(value: Any, path: str) -> Iterator[str]:
    items = value if isinstance(value, list) else [value]
    if not items:
        raise GrammarError("an empty list", path=path)
    for item in items:
        if not isinstance(item, str) or not item:
            raise GrammarError("not a string" if item != "" else "an empty string", path=path)
        yield item


@dataclass(frozen=True, slots=True)
class Caller:
    """The principal of a request, in its parts."""

    text: str
    """As given."""
    kind: str
    """``anonymous``, ``service``, ``canonical``, ``aws`` (an IAM or STS ARN, an account) or ``federated``."""
    partition: str
    """The ARN's partition; empty when there is none."""
    account: str
    """The account, 12 digits; empty when there is none."""
    role: str
    """The role's name, for a role or a session of it; else empty."""
    session: bool
    """True for a session of a role."""


@lru_cache(maxsize=4096)
def caller(text: str) -> Caller:
    """Split the principal of a request into its parts."""
    if text == ANYONE:
        return Caller(text, "anonymous", "", "", "", session=False)
    if _ACCOUNT.match(text):
        return Caller(f"arn:aws:iam::{text}:root", "aws", "", text, "", session=False)
    if _CANONICAL.match(text):
        return Caller(text, "canonical", "", "", "", session=False)
    found = _CALLER.match(text)
    if found is None:
        kind = "service" if text.endswith((".amazonaws.com", ".amazonaws.com.cn")) else "federated"
        return Caller(text, kind, "", "", "", session=False)
    partition, service, account, resource = found.groups()
    if resource.startswith(("saml-provider/", "oidc-provider/")):
        return Caller(text, "federated", partition, "", "", session=False)
    role, session = "", False
    if service == "iam" and resource.startswith("role/"):
        role = resource.rsplit("/", 1)[1]
    elif service == "sts" and resource.startswith("assumed-role/"):
        role, session = resource.split("/")[1], True
    return Caller(text, "aws", partition, account, role, session=session)


@dataclass(frozen=True, slots=True)
class PrincipalMatch:
    """Whether a Principal or NotPrincipal element matches a caller."""

    matches: bool
    """True when it matches, unless ``undecided`` or ``partial`` leaves it open."""
    undecided: tuple[str, ...] = ()
    """Canonical user ids that leave it open: the opposite holds when one of them is the caller's account."""
    partial: bool = False
    """True for a Deny whose NotPrincipal names the caller or its account, but not both: AWS documents only
    that such a statement might deny."""


@lru_cache(maxsize=65536)
def match_principals(principals: Principals, requester: Caller) -> PrincipalMatch:
    """Match a Principal element."""
    named = principals.everyone or _is_named(principals, requester)
    return PrincipalMatch(named, () if named else _possible_canonical(principals, requester))


@lru_cache(maxsize=65536)
def match_not_principals(principals: Principals, requester: Caller, *, deny: bool) -> PrincipalMatch:
    """Match a NotPrincipal element, with ``deny`` that of a Deny.

    A Deny exempts a user only when the user and the account are both named, and a role's session only when
    session, role and account are. An Allow excludes every principal that it names.
    """
    if not deny or principals.everyone or requester.kind != "aws":
        named = principals.everyone or _is_named(principals, requester)
        return PrincipalMatch(not named, () if named else _possible_canonical(principals, requester))
    parts = set(_named_parts(principals, requester))
    exempt = parts == {True}
    undecided = () if exempt else _possible_canonical(principals, requester)
    return PrincipalMatch(not exempt, undecided, partial=len(parts) > 1)


def _possible_canonical(principals: Principals, requester: Caller) -> tuple[str, ...]:
    return principals.canonical if requester.kind == "aws" else ()


def _is_named(principals: Principals, requester: Caller) -> bool:
    if requester.kind == "aws":
        return any(_same_account(each, requester) or _same_identity(each, requester) for each in principals.aws)
    return requester.text in {
        "service": principals.service,
        "federated": principals.federated,
        "canonical": principals.canonical,
        "anonymous": (),
    }[requester.kind] or (requester.kind != "anonymous" and requester.text in principals.federated)


def _named_parts(principals: Principals, requester: Caller) -> Iterator[bool]:
    """Yield for each principal that must be named, for a Deny to exempt an AWS principal, whether it is."""
    yield any(_same_account(each, requester) for each in principals.aws)
    if _ACCOUNT_ROOT.match(requester.text):
        return
    yield requester.text in principals.aws
    if requester.session:
        yield any(_is_role_of(each, requester) for each in principals.aws)


def _same_account(named: str, requester: Caller) -> bool:
    if _ACCOUNT.match(named):
        return named == requester.account
    root = _ACCOUNT_ROOT.match(named)
    return root is not None and root.group(2) == requester.account and requester.partition in ("", root.group(1))


def _same_identity(named: str, requester: Caller) -> bool:
    return named == requester.text or (requester.session and _is_role_of(named, requester))


def _is_role_of(named: str, requester: Caller) -> bool:
    # The session's ARN does not hold the role's path, and role names are unique within an account without it.
    other = caller(named)
    own = (requester.partition, requester.account, requester.role)
    return bool(other.role) and not other.session and (other.partition, other.account, other.role) == own


def is_unique_id(named: str) -> bool:
    """Return whether a principal is an IAM unique id (``AIDA…``, ``AROA…``): that of a deleted principal."""
    return _UNIQUE_ID.match(named) is not None
