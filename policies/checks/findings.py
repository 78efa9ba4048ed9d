"""Findings about a policy or a setting, and the typed fixes that resolve them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from policies.checks.rules import RULES, Severity
from policies.language import DocumentKind


class FixAction(StrEnum):
    """What resolves a finding; the command line words it and names the command."""

    EDIT = "edit"
    """Edit the document at the finding's path by hand; ``to`` is the text to write, where it is known."""
    CORRECT = "correct"
    """Write ``to`` in place of ``text`` in the ``element`` of the statement; without ``to``, replace the statement."""
    MERGE = "merge"
    """Add or update the contract's statements."""
    EXEMPT = "exempt"
    """Exempt Nimble's principal from the Deny ``statement``."""
    REMOVE_STATEMENT = "remove-statement"
    """Remove the ``statement``, named by Sid or number."""
    REMOVE_PRINCIPAL = "remove-principal"
    """Remove the ``principal`` wherever an Allow or a binding names it."""
    NARROW = "narrow"
    """Replace the ``statement`` by the contract's own, which end at the prefix."""
    SET_OWNERSHIP = "set-ownership"
    """Set Object Ownership of the ``bucket`` to BucketOwnerEnforced."""
    ENCRYPT_WITH_SSE_S3 = "encrypt-with-sse-s3"
    """Set the default encryption of the ``bucket`` to SSE-S3."""
    ENCRYPT_WITH_KEY = "encrypt-with-key"
    """Name the ``key`` by its ARN in the default encryption of the ``bucket``."""
    ENABLE_KEY = "enable-key"
    """Enable the ``key`` in its ``region``."""
    RESTORE_KEY = "restore-key"
    """Cancel the deletion of the ``key`` in its ``region``, and enable it."""
    SET_PAYER = "set-payer"
    """Let the owner of the ``bucket`` pay for requests."""
    SET_UNIFORM_ACCESS = "set-uniform-access"
    """Turn uniform bucket-level access of the GCS ``bucket`` on."""
    READ_PROJECT_POLICY = "read-project-policy"
    """Read the IAM policy of the GCS bucket's project, folders and organisation."""


POLICY_FIXES = frozenset(
    {
        FixAction.MERGE,
        FixAction.CORRECT,
        FixAction.EXEMPT,
        FixAction.REMOVE_STATEMENT,
        FixAction.REMOVE_PRINCIPAL,
        FixAction.NARROW,
    }
)
"""The fixes that a planned change of a policy carries out."""


class SideEffect(StrEnum):
    """What a fix changes besides the finding it resolves."""

    NIMBLE_EXEMPT = "nimble-exempt"
    """The guard no longer holds for Nimble's principal, within the contract."""
    OTHER_PREFIXES_CLOSED = "other-prefixes-closed"
    """Nimble loses what the statement granted outside the prefix; another delivery may use it."""
    PRINCIPAL_LOSES_ACCESS = "principal-loses-access"
    """The removed principal, if it exists, loses what the statement granted."""
    STATEMENT_REMOVED = "statement-removed"
    """Every principal that the statement admitted loses what it granted."""
    ACLS_DISABLED = "acls-disabled"
    """ACLs of the bucket and its objects no longer grant anything."""
    KMS_TO_SSE_S3 = "kms-to-sse-s3"
    """New objects are encrypted with SSE-S3: the key's policy no longer controls reading them."""
    OBJECT_ACLS_DISABLED = "object-acls-disabled"
    """ACLs of the objects no longer grant anything; after 90 days this cannot be undone."""
    OWNER_PAYS = "owner-pays"
    """Requests of every other account are charged to the bucket's owner."""
    KEY_USABLE_AGAIN = "key-usable-again"
    """Everything else that is encrypted with the key can be read again too."""


@dataclass(frozen=True, slots=True)
class Fix:
    """What resolves a finding: a typed value that the command line words."""

    action: FixAction
    """What is to be done."""
    parameters: tuple[tuple[str, str], ...] = ()
    """The names and values that the action's description mentions."""
    side_effects: tuple[SideEffect, ...] = ()
    """What else it changes."""

    def __getitem__(self, name: str) -> str:
        """Return a parameter; empty where the fix has none of that name."""
        return dict(self.parameters).get(name, "")


def fix(action: FixAction, *side_effects: SideEffect, **parameters: str) -> Fix:
    """Return a fix."""
    return Fix(action, tuple(parameters.items()), side_effects)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know about a policy or a setting."""

    code: str
    """The rule's name, stable for machines."""
    severity: Severity
    """``error``: the cloud refuses the document, or Nimble or the owner is kept out; ``warning``; ``info``."""
    where: str
    """The statement, binding or setting, as a person finds it; empty for the whole document."""
    path: str
    """The JSON path."""
    message: str
    """What was found."""
    fix: Fix
    """What resolves it."""
    provider_message: str = ""
    """What the cloud answers when it refuses the document; else empty."""
    document: DocumentKind | Literal[""] = ""
    """The kind of document it was found in; empty for a setting."""
    statement: int | None = None
    """The statement or binding, from 0; None for the whole document or a setting."""
    consequences: tuple[str, ...] = ()
    """The requirements it takes away."""
    blocks: tuple[Literal["read", "write"], ...] = ()
    """The tests of Nimble's Test Connection that fail because of it."""
    inferred: bool = False
    """True where it follows from the cloud's rules but is stated nowhere by Nimble."""

    def at(self, severity: Severity) -> Finding:
        """Return the finding with another severity."""
        return replace(self, severity=severity)


def finding(
    code: str,
    message: str,
    *,
    where: str = "",
    path: str = "$",
    fix: Fix | None = None,
    severity: Severity | None = None,
    statement: int | None = None,
    document: DocumentKind | Literal[""] = "",
    consequences: tuple[str, ...] = (),
) -> Finding:
    """Return a finding of a rule; ``severity`` replaces the rule's own."""
    rule = RULES[code]
    return Finding(
        code,
        severity or rule.severity,
        where,
        path,
        message,
        fix or Fix(FixAction.EDIT),
        rule.provider_message,
        document,
        statement,
        consequences,
    )
