"""Read the IAM policies that a Cloud Storage bucket inherits from: of its project, folders and organisation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.language.deny_rules import parse_deny_rules
from policies.language.documents import PolicyDocument, document
from policies.language.strict_json import parse_json
from policies.policy_errors import GrammarError, PolicyErrorCode

_FIELDS = frozenset({"bindings", "etag", "version", "auditConfigs", "rules"})
"""The fields of an IAM policy; one without bindings has at least one of the others."""


def parse_inherited(text: str | bytes, *, source: str = "") -> tuple[PolicyDocument, ...]:
    """Return the policies in what ``gcloud projects get-ancestors-iam-policy --format json`` prints.

    One policy, as get-iam-policy prints it, and a list of them are accepted too, with the deny policies that
    ``--include-deny`` adds. Raises ParseError for text that is not JSON, GrammarError for JSON that holds no IAM policy
    of Google Cloud.
    """
    value = parse_json(text, source=source)
    entries = value if isinstance(value, list) else [value]
    return tuple(_policies(entries, source, listed=isinstance(value, list)))


def _policies(entries: list[Any], source: str, *, listed: bool) -> Iterator[PolicyDocument]:
    for number, entry in enumerate(entries):
        path = f"$[{number}]" if listed else "$"
        policy = entry.get("policy", entry) if isinstance(entry, Mapping) else entry
        if not isinstance(policy, Mapping) or not _FIELDS & policy.keys():
            raise GrammarError(
                "no IAM policy of Google Cloud", path=path, source=source, code=PolicyErrorCode.NOT_INHERITED
            )
        name = f"{entry.get('type', 'resource')} {entry['id']}" if "id" in entry else source
        if "rules" in policy or policy.get("kind") == "DenyPolicy":
            rules = parse_deny_rules(policy["rules"], f"{path}.rules") if "rules" in policy else None
            yield PolicyDocument("gcs", policy, (), (), name, fragment=False, denials=rules)
        else:
            yield document(policy, kind="gcs", source=name)
