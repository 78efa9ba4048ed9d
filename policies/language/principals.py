"""Whom a statement speaks of: the Principal and NotPrincipal elements, and whether they match who asks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from policies.policy_errors import GrammarError

ANYONE = "*"
"""As a request's principal: an anonymous request."""
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
        """Every principal named, of whatever kind."""
        return self.aws + self.service + self.federated + self.canonical


def parse_principals(value: Any, path: str) -> Principals:
    """Read a Principal or NotPrincipal element; raises GrammarError at ``path``."""
    if value == ANYONE:
        return Principals(True, (), (), (), ())  # noqa: FBT003  # the field's name stands in the class
    if not isinstance(value, Mapping):
        raise GrammarError('neither "*" nor an object such as {"AWS": "ARN"}', path=path)
    if not value:
        raise GrammarError("names nobody", path=path, next_step='write {"AWS": "ARN"}')
    named: dict[str, tuple[str, ...]] = dict.fromkeys(_KINDS, ())
    for kind, each in value.items():
        if kind not in named:
            raise GrammarError(f"no kind of principal: {kind!r}", path=path, next_step="use " + ", ".join(_KINDS))
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
    """Who asks, taken apart."""

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
    """Take a request's principal apart."""
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
    """True when it matches, whoever the canonical user ids belong to; see ``undecided``."""
    undecided: tuple[str, ...]
    """Canonical user ids on which it depends: the opposite holds when the caller's account has one of
    them."""


@lru_cache(maxsize=65536)
def match_principals(principals: Principals, who: Caller, *, negated: bool) -> PrincipalMatch:
    """Match a Principal element, or with ``negated`` a NotPrincipal element.

    NotPrincipal exempts a user only when the user and the account are both named, and a role's session
    only when session, role and account are.
    """
    named = _is_exempt(principals, who) if negated else principals.everyone or _is_named(principals, who)
    may_be_canonical = not named and who.kind == "aws" and bool(principals.canonical)
    return PrincipalMatch(named is not negated, principals.canonical if may_be_canonical else ())


def _is_named(principals: Principals, who: Caller) -> bool:
    if who.kind == "aws":
        return any(_same_account(each, who) or _same_identity(each, who) for each in principals.aws)
    return who.text in {
        "service": principals.service,
        "federated": principals.federated,
        "canonical": principals.canonical,
        "anonymous": (),
    }[who.kind] or (who.kind != "anonymous" and who.text in principals.federated)


def _is_exempt(principals: Principals, who: Caller) -> bool:
    if principals.everyone:
        return True
    if who.kind != "aws":
        return _is_named(principals, who)
    if not any(_same_account(each, who) for each in principals.aws):
        return False
    if who.text.endswith(":root") and _ACCOUNT_ROOT.match(who.text):
        return True
    if who.session and not any(_is_role_of(each, who) for each in principals.aws):
        return False
    return who.text in principals.aws


def _same_account(named: str, who: Caller) -> bool:
    if _ACCOUNT.match(named):
        return named == who.account
    root = _ACCOUNT_ROOT.match(named)
    return root is not None and root.group(2) == who.account and who.partition in ("", root.group(1))


def _same_identity(named: str, who: Caller) -> bool:
    return named == who.text or (who.session and _is_role_of(named, who))


def _is_role_of(named: str, who: Caller) -> bool:
    # The session's ARN has lost the role's path, and role names are unique within an account without it.
    other = caller(named)
    return (
        bool(other.role)
        and not other.session
        and (other.partition, other.account, other.role)
        == (
            who.partition,
            who.account,
            who.role,
        )
    )


def is_unique_id(named: str) -> bool:
    """Tell whether a principal is an IAM unique id (``AIDA…``, ``AROA…``): what remains of a deleted
    principal."""
    return _UNIQUE_ID.match(named) is not None
