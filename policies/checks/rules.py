"""The rules behind findings: each code with its severity, its meaning, and the cloud's own message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")
"""From mild to severe."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of finding."""

    code: str
    """Its name, stable for machines."""
    severity: Severity
    """``error``: the cloud refuses the document, or Nimble is kept out; ``warning``: it may be so, or grants
    too much."""
    meaning: str
    """What is wrong."""
    provider_message: str = ""
    """What the cloud answers when it refuses the document."""


_ALL = (
    # What keeps Nimble out.
    Rule(
        "requirement-missing", "error", "No statement allows an action the contract needs, at least for the key shown."
    ),
    Rule("requirement-denied", "error", "A Deny takes away an action the contract needs."),
    Rule(
        "requirement-undecided",
        "warning",
        "Whether an action the contract needs is allowed depends on something that is not known.",
    ),
    Rule("grant-expired", "error", "The statement that grants an action the contract needs has ended."),
    Rule("grant-ends", "warning", "The statement that grants an action the contract needs ends at a date."),
    Rule(
        "prefix-condition-on-list",
        "warning",
        "s3:ListBucket is allowed only with s3:prefix, but head_bucket, the first step of Test Connection, has none.",
    ),
    Rule(
        "other-mode-principal",
        "error",
        "The policy admits the principal of Nimble's other delivery mode, not the one of this mode.",
    ),
    Rule("principal-typo", "error", "A principal resembles Nimble's, but is another one; ARNs are compared exactly."),
    Rule(
        "prefix-typo",
        "error",
        "Nimble is admitted to a prefix that resembles the one asked about, but is another one.",
    ),
    Rule(
        "resource-without-wildcard",
        "error",
        "A resource names one key where every key under the prefix is meant: it does not end in /*.",
    ),
    Rule(
        "wrong-partition",
        "error",
        "The document or the bucket is of another AWS partition; principals do not cross partitions.",
    ),
    Rule(
        "opt-in-region",
        "warning",
        "The bucket is in a Region that each account must enable; whether Nimble's account has is not documented.",
    ),
    Rule(
        "wrong-bucket",
        "error",
        "A statement names another bucket than the one asked about.",
        "Policy has invalid resource",
    ),
    Rule("placeholder", "error", "A placeholder of a template was left in.", "Policy has invalid resource"),
    Rule(
        "directory-bucket",
        "error",
        "A statement is for a directory bucket; Nimble delivers into general purpose buckets.",
        "Policy has invalid resource",
    ),
    Rule("key-not-checked", "info", "The bucket is encrypted with a customer-managed key, whose policy was not given."),
    Rule("inferred", "info", "A requirement is documented nowhere by Nimble; it follows from the cloud's rules."),
    Rule(
        "listed-action-missing",
        "info",
        "Nimble's page lists a KMS action that is not granted; delivery into S3 does not need it.",
    ),
    # What the cloud refuses to store.
    Rule(
        "not-json",
        "error",
        "The text is not JSON as the clouds read it: a comment, a comma too many, a key twice.",
        "This policy contains invalid Json",
    ),
    Rule(
        "not-a-policy",
        "error",
        "The JSON is no policy: a part of the grammar is missing or has a value that is not allowed.",
        "This policy contains a syntax error",
    ),
    Rule(
        "unknown-action", "error", "A pattern of Action matches no action of the service.", "Policy has invalid action"
    ),
    Rule(
        "operation-not-action",
        "error",
        "An Action names an API operation that is authorised as another action.",
        "Policy has invalid action",
    ),
    Rule(
        "wildcard-service",
        "error",
        "An Action has a wildcard in the name of the service, which IAM does not allow.",
        "Policy has invalid action",
    ),
    Rule(
        "action-without-resource",
        "error",
        "A statement holds an action that works on none of the statement's resources.",
        "Action does not apply to any resource(s) in statement",
    ),
    Rule("invalid-resource", "error", "A resource is no ARN of the service.", "Policy has invalid resource"),
    Rule("invalid-principal", "error", "A principal cannot exist as written.", "Invalid principal in policy"),
    Rule(
        "deleted-principal",
        "error",
        "A principal is the unique id that remains of a deleted user or role: it matches no caller, and every later"
        " put of the policy fails.",
        "Invalid principal in policy",
    ),
    Rule(
        "allow-not-principal",
        "error",
        "An Allow with NotPrincipal admits every principal that it does not name.",
        "Allow with NotPrincipal is not allowed.",
    ),
    Rule(
        "unknown-condition-key",
        "error",
        "A condition names a key that neither the service nor IAM has.",
        "Policy has an invalid condition key",
    ),
    Rule(
        "operator-of-other-type",
        "warning",
        "A condition compares a key with an operator of another type: it never matches, or not as meant.",
    ),
    Rule(
        "condition-without-action",
        "error",
        "A condition names a key that requests of none of the statement's actions carry.",
        "Conditions do not apply to combination of actions and resources in statement",
    ),
    Rule(
        "unreadable-value",
        "warning",
        "A value is not of the type its operator compares: the condition never holds, or not as meant.",
    ),
    Rule(
        "duplicate-sid",
        "error",
        "Two statements have the same Sid.",
        "Statement IDs (SID) in a single policy must be unique.",
    ),
    Rule(
        "too-large",
        "error",
        "The document is larger than the cloud stores.",
        "Policy exceeds the maximum allowed document size.",
    ),
    Rule(
        "near-limit",
        "warning",
        "The document is close to the largest size the cloud stores, or beyond it with its white space.",
    ),
    Rule(
        "unknown-field",
        "error",
        "A statement or the document has a field the policy language does not have.",
        "Unknown field",
    ),
    Rule("no-statement", "error", "The document has no statement.", "Could not parse the policy: Statement is empty!"),
    Rule(
        "key-lockout",
        "error",
        "The key policy leaves the key's own account no permission to change it.",
        "The new key policy will not allow you to update the key policy in the future.",
    ),
    Rule(
        "key-control-conditional",
        "warning",
        "Only under a condition may the key's own account change the key's policy.",
    ),
    Rule("fragment", "info", "The text is a bare statement, not a whole document."),
    Rule("invalid-member", "error", "A GCS member is not written TYPE:ADDRESS.", "Invalid member"),
    Rule(
        "member-of-other-type",
        "error",
        "A GCS member has the address of Nimble's service account, but another type or none.",
        "Invalid member",
    ),
    Rule(
        "invalid-expression",
        "error",
        "The condition of a binding is no expression of CEL.",
        "Condition expression compilation failed.",
    ),
    Rule("unknown-role", "error", "A binding names a role that cannot exist, or a misspelt one.", "Invalid role"),
    Rule(
        "condition-needs-version-3",
        "error",
        "A binding has a condition, but the document's version is not 3.",
        "Policies with conditions must specify version 3",
    ),
    # What grants more than the contract.
    Rule("account-root", "warning", "Nimble's whole account is admitted, and so every user and role it delegates to."),
    Rule(
        "public",
        "warning",
        "A statement admits everybody. With Block Public Access the put fails, or with RestrictPublicBuckets every"
        " other account is cut off, Nimble included.",
    ),
    Rule("beyond-contract", "warning", "Nimble is allowed an action the contract does not need."),
    Rule("delete-granted", "warning", "Nimble is allowed to delete objects; no delivery needs that."),
    Rule("beyond-prefix", "warning", "Nimble is admitted to objects outside the prefixes asked about."),
    Rule("stale-member", "warning", "A GCS member is a deleted account: it matches no caller."),
    # What may surprise.
    Rule(
        "old-version",
        "warning",
        "A value holds ${…}, but the document's Version has no policy variables: it is taken literally.",
    ),
    Rule(
        "no-test-connection",
        "info",
        "Nimble's Test Connection belongs to jobs; the async contract has no s3:ListBucket, so it can only fail.",
    ),
    Rule(
        "old-action-table",
        "warning",
        "The table of S3 and KMS actions that this program carries is old; newer actions count as unknown.",
    ),
)
RULES: Mapping[str, Rule] = MappingProxyType({rule.code: rule for rule in _ALL})
"""Every kind of finding by its code."""
