"""The fix of every finding in words: what to write or set, and what that changes besides."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from policies import Finding, FixAction, SideEffect

FIX_TEXTS: Mapping[str, str] = MappingProxyType(
    {
        # What keeps Nimble out.
        "requirement-missing": "Add the missing statements.",
        "requirement-denied": "Exempt Nimble's principal from the Deny.",
        "requirement-undecided": "Exempt Nimble's principal from the condition, or ask Nimble for the value.",
        "grant-expired": "Add statements without an end.",
        "grant-ends": "Add statements without an end before that date.",
        "prefix-condition-on-list": (
            "Allow s3:ListBucket without the condition: it shows names of objects, not their content."
        ),
        "other-mode-principal": "Name the principal of this mode, or use the other --mode.",
        "principal-typo": "Add statements for Nimble's principal, and remove the other one.",
        "prefix-typo": "Write the same prefix in the policy and in the delivery's location, case and slashes included.",
        "resource-without-wildcard": "End the resource in /*.",
        "wrong-partition": "Deliver into a bucket of a commercial AWS Region.",
        "opt-in-region": "Deliver into a Region that is enabled by default, or ask Nimble.",
        "wrong-bucket": "Name the bucket's own ARN, or check with the right --bucket.",
        "placeholder": "Replace the placeholder by the bucket's name.",
        "directory-bucket": "Deliver into a general purpose bucket.",
        "key-not-checked": "Give it with --key-policy: without a grant on the key, writes and reads are denied.",
        "inferred": "Nothing; ask Nimble's support if in doubt.",
        "listed-action-missing": "Nothing; grant it to match Nimble's page to the letter.",
        "policy-not-readable": "Nothing can be proved by it, and nothing is merged into it; see which store wrote it.",
        # What the cloud refuses to store.
        "not-json": "Correct it at the line and column shown.",
        "not-a-policy": "Correct it at the path shown.",
        "unknown-action": "Correct the spelling; see the service authorization reference.",
        "operation-not-action": "Name the action instead of the operation.",
        "wildcard-service": "Name the service.",
        "action-without-resource": "Put actions on the bucket and actions on objects into separate statements.",
        "invalid-resource": "Write arn:aws:s3:::BUCKET for the bucket, arn:aws:s3:::BUCKET/PREFIX/* for objects.",
        "invalid-principal": 'Write the whole ARN of one user or role, an account id, or "*".',
        "deleted-principal": "Remove the id from the statement; if it is the only one, remove the statement.",
        "allow-not-principal": "Name the principals that are allowed with Principal.",
        "unknown-condition-key": "Correct the spelling; see the service authorization reference.",
        "operator-of-other-type": "Use an operator of the key's type.",
        "condition-without-action": "Move the condition to a statement with an action that carries the key.",
        "unreadable-value": (
            "Write a number, a date of ISO 8601, an address, a whole ARN, or true or false, as the operator requires."
        ),
        "duplicate-sid": "Give each statement another Sid, or none.",
        "too-large": "Shorten lists with wildcards, or drop statements that are not needed.",
        "near-limit": "Store it without white space; shorten it before adding more.",
        "unknown-field": "Remove the field, or correct its spelling and case.",
        "no-statement": "Add the contract's statements.",
        "key-lockout": (
            'Keep the statement that allows kms:* to arn:aws:iam::ACCOUNT:root, "Enable IAM User Permissions".'
        ),
        "key-control-conditional": "Make sure that the key's administrators fulfil the condition, or remove it.",
        "fragment": "Add it to the document that the bucket or key has.",
        "invalid-member": "Write serviceAccount:NAME@PROJECT.iam.gserviceaccount.com or another type of member.",
        "member-of-other-type": "Write the member with the type serviceAccount.",
        "invalid-expression": "Correct the expression; gcloud storage buckets add-iam-policy-binding checks one.",
        "unknown-role": "Write roles/storage.objectCreator, or another role that exists.",
        "condition-needs-version-3": 'Write "version": 3, and turn on uniform bucket-level access.',
        # What grants more than the contract.
        "account-root": "Name Nimble's one user instead of the account.",
        "public": (
            "Name the principals that are allowed, or bind the statement to an organisation, VPC endpoint or address "
            "range."
        ),
        "beyond-contract": "Remove the action; wildcards in actions also grant what the service adds later.",
        "delete-granted": "Remove the permission to delete, and the wildcards that include it.",
        "beyond-prefix": "Narrow the resource to the prefix, unless another delivery uses the rest.",
        "stale-member": "Remove the member from the binding.",
        # What may surprise.
        "old-version": 'Write "Version": "2012-10-17".',
        "no-test-connection": "Judge async delivery by the requirements, and by a first delivered object.",
        "old-action-table": "Upgrade nimble-harvester, or run scripts/refresh_actions in a checkout.",
        # Settings.
        "public-cuts-off-accounts": (
            "Remove the public statement, or bind it to an organisation, VPC endpoint or address range; never loosen "
            "Block Public Access."
        ),
        "public-blocks-put": "Remove the public statement before, or together with, any other change.",
        "objects-owned-by-writer": "Set Object Ownership to BucketOwnerEnforced.",
        "public-access-prevented": "Grant roles/storage.objectCreator to Nimble's service account by name.",
        "objects-may-be-owned-by-writer": "Let the bucket's owner own every object.",
        "ownership-not-set": "Set Object Ownership to BucketOwnerEnforced.",
        "managed-key": "Encrypt with SSE-S3, or with a customer-managed key named by its full ARN.",
        "key-by-alias": "Name the key by its full ARN.",
        "key-not-used": "Check the key that the bucket uses: leave out --kms-key.",
        "key-in-other-region": "Encrypt with a key of the bucket's Region.",
        "key-not-enabled": "Enable the key, or encrypt with another one.",
        "key-without-material": "Import the key material again, or encrypt with another key.",
        "key-store-unavailable": "Connect the custom key store, or encrypt with another key.",
        "key-not-for-encryption": "Encrypt with a symmetric key for ENCRYPT_DECRYPT.",
        "key-in-other-account": "Use --kms-profile with a profile of that account, or hand its owner the statement.",
        "requester-pays": "Let the bucket's owner pay for the requests.",
        "object-lock": "Deliver into a bucket without a default retention, and copy what must be locked.",
        "expires-results": "Download results more often than that, or give the rule another prefix or a longer time.",
        "archives-results": "Download results more often than that, or give the rule another prefix or a longer time.",
        "condition-needs-uniform-access": "Turn uniform bucket-level access on.",
    }
)
"""The fix of each code of finding, as a sentence."""

SIDE_EFFECTS: Mapping[SideEffect, str] = MappingProxyType(
    {
        SideEffect.NIMBLE_EXEMPT: "The guard no longer applies to Nimble's principal, within the contract.",
        SideEffect.OTHER_PREFIXES_CLOSED: "Nimble can then no longer deliver outside the prefix.",
        SideEffect.PRINCIPAL_LOSES_ACCESS: "The removed principal, if it exists, loses that access.",
        SideEffect.STATEMENT_REMOVED: "Every principal that the statement admits loses what it grants.",
        SideEffect.ACLS_DISABLED: "This turns ACLs off: grants by ACLs of the bucket and its objects end.",
        SideEffect.KMS_TO_SSE_S3: (
            "Leaving KMS for SSE-S3 means that the key's policy and CloudTrail's record of its use no longer cover new "
            "objects."
        ),
        SideEffect.OBJECT_ACLS_DISABLED: (
            "Grants by ACLs of objects end, and after 90 days this cannot be turned back."
        ),
        SideEffect.OWNER_PAYS: "Requests of every other account are then charged to the bucket's owner.",
        SideEffect.KEY_USABLE_AGAIN: "Everything else that is encrypted with the key can be read again too.",
    }
)
"""What a fix changes besides, as a sentence."""

_OFFERS: Mapping[FixAction, str] = MappingProxyType(
    {
        FixAction.NARROW: "--narrow replaces the statement by the contract's own.",
        FixAction.CORRECT: "--correct writes it.",
        FixAction.REMOVE_PRINCIPAL: "--without-principal {principal!r} removes it.",
        FixAction.REMOVE_STATEMENT: "--without-statement {statement} removes it.",
        FixAction.READ_PROJECT_POLICY: (
            "Read the inherited roles (gcloud projects get-ancestors-iam-policy PROJECT --format json "
            ">inherited.json) and give them with --inherited inherited.json, or grant the role on the bucket itself."
        ),
    }
)


def fix_text(finding: Finding) -> str:
    """Return the fix of a finding in words, with everything else that it changes."""
    fix = finding.fix
    sentences = [FIX_TEXTS.get(finding.code, "")]
    if fix["to"]:
        sentences.append(f"Write {fix['to']}.")
    if fix.action in _OFFERS:
        parameters = {**dict(fix.parameters), "statement": fix["statement"].replace("\n", " --without-statement ")}
        offer = _OFFERS[fix.action].format_map(parameters)
        if fix.action is FixAction.CORRECT and not fix["text"]:
            offer = "--correct replaces the statement by the contract's own."
        sentences = [offer] if fix.action is FixAction.READ_PROJECT_POLICY else [*sentences, offer]
    sentences += (SIDE_EFFECTS[each] for each in fix.side_effects)
    return " ".join(filter(None, sentences))
