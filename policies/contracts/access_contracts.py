"""Nimble's access contracts: which principal needs which action on what, read from ``nimble.json``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from policies.contracts.nimble_data import nimble_data
from policies.language import normal_member
from policies.policy_errors import ContractError, PolicyErrorCode

# Source: IAM user guide, "IAM and AWS STS quotas"; what is a wildcard is refused by itself.
_USER = re.compile(r"user/([\x21-\x7E]+/)?[A-Za-z0-9_+=,.@*?-]+\Z")

DeliveryMode = Literal["async", "jobs"]
"""``async``: requests with ``storage_url``; ``jobs``: Nimble Jobs with an ``s3://`` input or destination."""
Cloud = Literal["s3", "gs"]
"""``s3``: Amazon S3; ``gs``: Google Cloud Storage."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One action Nimble must be allowed, on one resource."""

    action: str
    """The action or permission; a trailing ``*`` is every known action it matches."""
    scope: str
    """``bucket``, ``key`` (the KMS key), or the name of a prefix of the contract: every key under it."""
    operations: tuple[str, ...]
    """The API operations it is needed for, where the request differs between them; else empty."""
    source: str
    """The name of the source."""
    inferred: bool
    """True where it follows from the cloud's rules but is stated nowhere by Nimble."""
    listed_only: bool = False
    """True where Nimble's page lists the action but no operation of a delivery uses it."""

    @property
    def id(self) -> str:
        """A name that is unique within the contract, such as ``s3:PutObject on output``."""
        return f"{self.action} on {self.scope}"


@dataclass(frozen=True, slots=True)
class ContractStatement:
    """Requirements of one statement: they share principal and resources."""

    sid: str
    """The statement's Sid; for GCS the role."""
    scopes: tuple[str, ...]
    """The scopes, each ``bucket``, ``key`` or the name of a prefix."""
    actions: tuple[str, ...]
    """The actions, spelled as the source spells them."""
    operations: tuple[str, ...]
    """See `Requirement.operations`."""
    source: str
    """The name of the source."""
    inferred: bool
    """True where Nimble states none of it."""
    needed: tuple[str, ...] = ()
    """The actions that a delivery uses, where the source lists more; empty where it uses all."""

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """One requirement per action and scope, those that a delivery uses first."""
        listed = [each for each in self.actions if each not in self.needed] if self.needed else []
        needed = self.needed or self.actions
        return tuple(
            Requirement(action, scope, self.operations, self.source, self.inferred, listed_only=action in listed)
            for scope in self.scopes
            for action in (*needed, *listed)
        )


@dataclass(frozen=True, slots=True)
class PrefixRole:
    """A prefix of the contract."""

    name: str
    """``prefix``, ``input`` or ``output``."""
    documented: str
    """The prefix in the vendor's template; empty for the whole bucket."""


@dataclass(frozen=True, slots=True)
class AccessContract:
    """What one delivery mode needs on one cloud."""

    mode: DeliveryMode
    """The delivery mode."""
    cloud: Cloud
    """The cloud."""
    principal: str
    """The ARN of an IAM user, or a GCS member."""
    principal_inferred: bool
    """True when the principal is not the one Nimble documents."""
    prefixes: tuple[PrefixRole, ...]
    """The prefixes, in the order of the vendor's template."""
    statements: tuple[ContractStatement, ...]
    """What the bucket's policy must grant: bucket-level and object-level actions apart."""
    key_statements: tuple[ContractStatement, ...]
    """What the policy of the bucket's KMS key must grant."""
    documented_statements: tuple[ContractStatement, ...]
    """The statements of the vendor's page, to the letter."""
    documented_key_statements: tuple[ContractStatement, ...]
    """The key statements of the vendor's page; empty where it has none."""

    @property
    def account(self) -> str:
        """The principal's AWS account; empty for a GCS member."""
        parts = self.principal.split(":")
        return parts[4] if len(parts) == 6 else ""

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """What must hold on the bucket."""
        return tuple(requirement for statement in self.statements for requirement in statement.requirements)

    @property
    def key_requirements(self) -> tuple[Requirement, ...]:
        """What must hold on the bucket's KMS key."""
        return tuple(requirement for statement in self.key_statements for requirement in statement.requirements)


def contract(mode: str, cloud: str = "s3", *, principal: str | None = None) -> AccessContract:
    """Return the contract of ``mode`` on ``cloud``, for Nimble's principal or another ``principal``.

    Raises ContractError when there is no such contract, or the principal is not one of that cloud.
    """
    found = next((each for each in contracts() if (each.mode, each.cloud) == (mode, cloud)), None)
    if found is None:
        reason = _refusals().get((mode, cloud))
        raise ContractError(
            f"no contract for mode {mode!r} on {cloud!r}",
            cause=reason or "known are " + ", ".join(f"{each.mode} on {each.cloud}" for each in contracts()),
            code=PolicyErrorCode.NO_SUCH_CONTRACT,
            parameters={"refused": "yes" if reason else ""},
        )
    if principal is None or principal == found.principal:
        return found
    _check_principal(principal, found.cloud)
    principal = normal_member(principal) if found.cloud == "gs" else principal
    return replace(found, principal=principal, principal_inferred=True)


def _check_principal(principal: str, cloud: Cloud) -> None:
    if cloud == "gs":
        if not principal.startswith(("serviceAccount:", "user:", "group:")) or "@" not in principal:
            raise ContractError(
                f"not a GCS member: {principal!r}",
                cause="a member is written serviceAccount:NAME@PROJECT.iam.gserviceaccount.com",
                code=PolicyErrorCode.NOT_A_MEMBER,
            )
        return
    parts = principal.split(":")
    account_is_possible = len(parts) == 6 and len(parts[4]) == 12 and parts[4].isascii() and parts[4].isdigit()
    if not account_is_possible or parts[0] != "arn" or parts[2:4] != ["iam", ""] or not _USER.match(parts[5]):
        raise ContractError(
            f"not the ARN of an IAM user: {principal!r}",
            cause="Nimble's requests are made by an IAM user, written arn:aws:iam::ACCOUNT:user/NAME",
            code=PolicyErrorCode.NOT_AN_IAM_USER,
        )
    if any(wildcard in principal for wildcard in "*?"):
        raise ContractError(
            f"a wildcard in a principal: {principal!r}",
            cause="IAM takes no wildcard inside a principal's ARN",
            code=PolicyErrorCode.WILDCARD_IN_PRINCIPAL,
        )


@cache
def contracts() -> tuple[AccessContract, ...]:
    """Return every contract."""
    return tuple(_contract(each) for each in nimble_data()["contracts"])


def _contract(data: Mapping[str, Any]) -> AccessContract:
    documented = data["documented"]
    return AccessContract(
        mode=data["mode"],
        cloud=data["cloud"],
        principal=data["principal"]["value"],
        principal_inferred=data["principal"]["inferred"],
        prefixes=tuple(PrefixRole(each["name"], each["documented"]) for each in data["prefixes"]),
        statements=tuple(_statement(each) for each in data["statements"]),
        key_statements=tuple(_statement(each) for each in data["key_statements"]),
        documented_statements=tuple(_documented(each, documented["source"]) for each in documented["statements"]),
        documented_key_statements=tuple(
            _documented(each, documented["source"]) for each in documented["key_statements"]
        ),
    )


def _statement(data: Mapping[str, Any]) -> ContractStatement:
    return ContractStatement(
        sid=data["sid"],
        scopes=(data["scope"],),
        actions=tuple(data["actions"]),
        operations=tuple(data.get("operations", ())),
        source=data["source"],
        inferred=data["inferred"],
        needed=tuple(data.get("needed", ())),
    )


def _documented(data: Mapping[str, Any], source: str) -> ContractStatement:
    return ContractStatement(data["sid"], tuple(data["scopes"]), tuple(data["actions"]), (), source, inferred=False)


@cache
def _refusals() -> Mapping[tuple[str, str], str]:
    return {(each["mode"], each["cloud"]): each["reason"] for each in nimble_data()["refusals"]}
