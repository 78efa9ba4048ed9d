"""What can be found in a policy: every code, what it means and what to do; and one finding of it."""

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
    """``error``: the cloud refuses the document, or Nimble is kept out; ``warning``: it may be so, or
    grants too much."""
    meaning: str
    """What is the matter."""
    fix: str
    """What to do."""
    provider_message: str = ""
    """What the cloud says when it refuses the document."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in a policy."""

    code: str
    """The rule's name."""
    severity: Severity
    """How much it matters."""
    where: str
    """The statement or binding, as a person finds it; empty for the whole document."""
    path: str
    """The JSON path."""
    message: str
    """What was found."""
    fix: str
    """What to do."""
    provider_message: str
    """What the cloud says when it refuses the document; else empty."""


def finding(
    code: str,
    message: str,
    *,
    where: str = "",
    path: str = "$",
    fix: str = "",
    severity: Severity | None = None,
) -> Finding:
    """Return a finding of a rule; ``fix`` and ``severity`` replace the rule's own."""
    rule = RULES[code]
    return Finding(code, severity or rule.severity, where, path, message, fix or rule.fix, rule.provider_message)


_ALL = (
    # What keeps Nimble out.
    Rule(
        "requirement-missing",
        "error",
        "No statement allows an action the contract needs, at least for the key shown.",
        "Add the missing statement: nimble-harvester policy merge FILE with the same flags.",
    ),
    Rule(
        "requirement-denied",
        "error",
        "A Deny takes away an action the contract needs.",
        "Exempt Nimble's principal from the Deny: nimble-harvester policy merge FILE proposes how.",
    ),
    Rule(
        "requirement-undecided",
        "warning",
        "Whether an action the contract needs is allowed is unknown: the reasons name what decides.",
        "Free the statement of the condition for Nimble's principal, or ask Nimble for the value.",
    ),
    Rule(
        "grant-ends",
        "warning",
        "A condition on the time ends a grant that the contract needs.",
        "Remove the condition from the statement, or set a later date.",
    ),
    Rule(
        "listed-action-missing",
        "info",
        "Nimble's page lists an action that no delivery uses, and the policy does not grant it.",
        "Nothing; a delivery needs kms:GenerateDataKey and kms:Decrypt.",
    ),
    Rule(
        "prefix-condition-on-list",
        "warning",
        "s3:ListBucket is allowed only with s3:prefix, but head_bucket, with which Test Connection starts,"
        " carries none.",
        "Allow s3:ListBucket without the condition: it shows names of objects, not what they hold.",
    ),
    Rule(
        "other-mode-principal",
        "error",
        "The policy admits the principal of Nimble's other delivery mode, not the one of this mode.",
        "Name the principal of this mode, or check with the other --mode.",
    ),
    Rule(
        "principal-typo",
        "error",
        "A principal looks like Nimble's, but is not.",
        "Put in the documented ARN; ARNs are compared to the letter.",
    ),
    Rule(
        "prefix-typo",
        "error",
        "Nimble is admitted to a prefix that looks like the one asked about, but is not.",
        "Make the prefix in the policy and in the delivery's location the same, case and slashes included.",
    ),
    Rule(
        "wrong-partition",
        "error",
        "The document speaks of another AWS partition; principals do not cross partitions.",
        "Deliver into a bucket of a commercial AWS region.",
    ),
    Rule(
        "wrong-bucket",
        "error",
        "A statement speaks of another bucket than the one asked about.",
        "Put in the bucket's own ARN, or check with the right --bucket.",
        "Policy has invalid resource",
    ),
    Rule(
        "key-not-checked",
        "info",
        "The bucket is encrypted with a customer-managed key, whose policy was not given.",
        "Give it with --key-policy: without grants on the key, writing and reading fail with AccessDenied.",
    ),
    Rule(
        "inferred",
        "info",
        "A requirement is documented nowhere by Nimble; it follows from the cloud's rules.",
        "Nothing; ask Nimble's support if in doubt.",
    ),
    # What the cloud refuses to store.
    Rule(
        "not-json",
        "error",
        "The text is not JSON as the clouds read it: a comment, a comma too many, a key twice.",
        "Correct it at the line and column shown.",
        "This policy contains invalid Json",
    ),
    Rule(
        "not-a-policy",
        "error",
        "The JSON is no policy: a part of the grammar is missing, or cannot be what it is.",
        "Correct it at the path shown.",
        "This policy contains a syntax error",
    ),
    Rule(
        "unknown-action",
        "error",
        "A pattern of Action matches no action of the service.",
        "Correct the spelling; see the service authorization reference.",
        "Policy has invalid action",
    ),
    Rule(
        "action-without-resource",
        "error",
        "A statement holds an action that works on none of the statement's resources.",
        "Give actions on the bucket and actions on objects statements of their own.",
        "Action does not apply to any resource(s) in statement",
    ),
    Rule(
        "invalid-resource",
        "error",
        "A resource is no ARN of the service.",
        "Write arn:aws:s3:::BUCKET for the bucket, arn:aws:s3:::BUCKET/PREFIX* for objects.",
        "Policy has invalid resource",
    ),
    Rule(
        "invalid-principal",
        "error",
        "A principal cannot exist as written.",
        'Write the whole ARN of one user or role, an account id, or "*".',
        "Invalid principal in policy",
    ),
    Rule(
        "deleted-principal",
        "error",
        "A principal is the unique id that remains of a deleted user or role: it matches nobody, and every"
        " later put of the policy fails.",
        "Remove the id from the statement; if it stands alone, remove the statement.",
        "Invalid principal in policy",
    ),
    Rule(
        "allow-not-principal",
        "error",
        "An Allow with NotPrincipal allows every principal that it does not name.",
        "Name who is allowed with Principal.",
        "Allow with NotPrincipal is not allowed.",
    ),
    Rule(
        "unknown-condition-key",
        "error",
        "A condition names a key the service does not have.",
        "Correct the spelling; see the service authorization reference.",
        "Policy has an invalid condition key",
    ),
    Rule(
        "condition-without-action",
        "error",
        "A condition names a key that requests of none of the statement's actions carry.",
        "Move the condition to a statement with an action that carries the key.",
        "Conditions do not apply to combination of actions and resources in statement",
    ),
    Rule(
        "unreadable-value",
        "warning",
        "A value cannot be what its operator compares: the condition never holds, or not as meant.",
        "Write a number, a date of ISO 8601, an address, a whole ARN, or true or false, as the operator wants.",
    ),
    Rule(
        "duplicate-sid",
        "error",
        "Two statements have the same Sid.",
        "Give each statement a Sid of its own, or none.",
        "Statement IDs (SID) in a single policy must be unique.",
    ),
    Rule(
        "too-large",
        "error",
        "The document is larger than the cloud stores.",
        "Shorten lists with wildcards, or drop statements nobody needs.",
        "Policy exceeds the maximum allowed document size.",
    ),
    Rule(
        "near-limit",
        "warning",
        "The document is close to the largest size the cloud stores, or beyond it with its white space.",
        "Store it without white space; shorten it before adding more.",
    ),
    Rule(
        "unknown-field",
        "error",
        "A statement or the document has a field the policy language does not know.",
        "Remove the field, or correct its spelling and case.",
        "Unknown field",
    ),
    Rule(
        "no-statement",
        "error",
        "The document has no statement.",
        "Print one with nimble-harvester policy show.",
        "Could not parse the policy: Statement is empty!",
    ),
    Rule(
        "key-lockout",
        "error",
        "The key policy leaves the key's own account no way to change it.",
        'Keep the statement that allows kms:* to arn:aws:iam::ACCOUNT:root, "Enable IAM User Permissions".',
        "The new key policy will not allow you to update the key policy in the future.",
    ),
    Rule(
        "key-control-conditional",
        "warning",
        "Only under a condition may the key's own account change the key's policy.",
        "Make sure that whoever looks after the key fulfils the condition, or free that statement of it.",
    ),
    Rule(
        "fragment",
        "info",
        "The text is a bare statement, not a whole document.",
        "Add it to the document that is there: nimble-harvester policy merge does.",
    ),
    Rule(
        "invalid-member",
        "error",
        "A GCS member is not written TYPE:ADDRESS.",
        "Write serviceAccount:NAME@PROJECT.iam.gserviceaccount.com or another type of member.",
        "Invalid member",
    ),
    Rule(
        "condition-needs-version-3",
        "error",
        "A binding has a condition, but the document's version is not 3.",
        'Write "version": 3, and turn on uniform bucket-level access.',
        "Policies with conditions must specify version 3",
    ),
    # What grants more than the contract.
    Rule(
        "account-root",
        "warning",
        "Nimble's whole account is admitted, and so every user and role it delegates to.",
        "Name Nimble's one user instead of the account.",
    ),
    Rule(
        "public",
        "warning",
        "A statement admits everybody. With Block Public Access the put fails, or with RestrictPublicBuckets"
        " every other account is cut off, Nimble included.",
        "Name who is allowed, or bind the statement to an organisation, VPC endpoint or address range.",
    ),
    Rule(
        "beyond-contract",
        "warning",
        "Nimble is allowed an action the contract does not need.",
        "Remove the action; wildcards in actions grant what the service will add.",
    ),
    Rule(
        "delete-granted",
        "warning",
        "Nimble is allowed to delete objects; it never asks for that.",
        "Remove s3:DeleteObject and the wildcards that hold it.",
    ),
    Rule(
        "beyond-prefix",
        "warning",
        "Nimble is admitted to objects outside the prefixes asked about.",
        "Narrow the resource to the prefix, unless another delivery uses the rest.",
    ),
    Rule(
        "stale-member",
        "warning",
        "A GCS member is a deleted account: it matches nobody.",
        "Remove the member from the binding.",
    ),
    # What may surprise.
    Rule(
        "old-version",
        "warning",
        "A value holds ${…}, but the document's Version knows no policy variables: it is taken literally.",
        'Write "Version": "2012-10-17".',
    ),
    Rule(
        "no-test-connection",
        "info",
        "Nimble's Test Connection belongs to jobs; the async contract has no s3:ListBucket, so it can only fail.",
        "Judge async delivery by the requirements above, and by a first delivered object.",
    ),
    Rule(
        "old-action-table",
        "warning",
        "The table of S3 and KMS actions that this program carries is old; newer actions count as unknown.",
        "Upgrade nimble-harvester, or run scripts/refresh_actions in a checkout.",
    ),
)
RULES: Mapping[str, Rule] = MappingProxyType({rule.code: rule for rule in _ALL})
"""Every kind of finding by its code."""
