"""The policies that a Cloud Storage bucket inherits from, as gcloud prints them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

import policies
from policies import GrammarError, ParseError, parse_inherited

MEMBER = "serviceAccount:nimbleway-gcp-storage@nimbleway-gcp.iam.gserviceaccount.com"
CREATOR = {"role": "roles/storage.objectCreator", "members": [MEMBER]}
GCS = policies.contract("async", "gs")
TARGET = policies.target(GCS, "acme", prefixes={"prefix": "nimble/"})
AT = datetime(2026, 11, 30, tzinfo=UTC)


def ancestors(*bindings: dict[str, Any]) -> str:
    return json.dumps(
        [
            {"id": "acme-data", "type": "project", "policy": {"bindings": list(bindings), "etag": "BwY", "version": 1}},
            {"id": "123456789", "type": "folder", "policy": {"etag": "ACAB"}},
            {"id": "42", "type": "organization", "policy": {"name": "policies/x/denypolicies/y", "rules": []}},
        ]
    )


def state(text: str | None) -> tuple[str, list[str]]:
    bucket = policies.document(
        {"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}, kind="gcs"
    )
    inherited = None if text is None else parse_inherited(text, source="inherited.json")
    proof = policies.prove(GCS, TARGET, bucket, inherited=inherited, at=AT)
    return proof.state, [each.code for verdict in proof.verdicts for each in verdict.reasons]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, ("unknown", ["unread:project-policy"])),
        (ancestors(), ("fails", [])),
        (ancestors(CREATOR), ("holds", [])),
        (json.dumps({"bindings": [CREATOR]}), ("holds", [])),
        (json.dumps([{"bindings": [CREATOR]}, {"bindings": []}]), ("holds", [])),
        ("[]", ("fails", [])),
        (ancestors({**CREATOR, "role": "roles/storage.objectViewer"}), ("fails", [])),
        (
            ancestors({**CREATOR, "members": ["group:vendors@example.com"]}),
            ("unknown", ["unread:group:vendors@example.com"]),
        ),
        (ancestors({**CREATOR, "role": "projects/p/roles/upload"}), ("unknown", ["unread:projects/p/roles/upload"])),
        (
            ancestors(
                {
                    **CREATOR,
                    "condition": {"title": "t", "expression": 'request.time < timestamp("2026-06-30T00:00:00Z")'},
                }
            ),
            ("fails", []),
        ),
    ],
)
def test_what_is_inherited_decides(text: str | None, found: tuple[str, list[str]]) -> None:
    assert state(text) == found


def test_an_inherited_binding_is_not_taken_for_one_of_the_bucket() -> None:
    bucket = policies.document(
        {"bindings": [{"role": "roles/storage.admin", "members": ["user:ann@example.com"]}]}, kind="gcs"
    )
    ends = {**CREATOR, "condition": {"title": "t", "expression": 'request.time < timestamp("2027-06-30T00:00:00Z")'}}
    report = policies.check(GCS, TARGET, bucket, inherited=parse_inherited(ancestors(ends)), at=AT)
    (reference,) = report.proof.verdicts[0].statements
    assert (reference.index, reference.sid) == (1, "roles/storage.objectCreator")
    (ending,) = [each for each in report.findings if each.code == "grant-ends"]
    assert ending.statement is None


@pytest.mark.parametrize("text", ['{"Version": "2012-10-17", "Statement": []}', "[1]", '"x"', '[{"policy": {"a": 1}}]'])
def test_other_documents_are_refused(text: str) -> None:
    with pytest.raises(GrammarError) as caught:
        parse_inherited(text, source="inherited.json")
    assert caught.value.code == "not_inherited"


def test_text_that_is_no_json() -> None:
    with pytest.raises(ParseError):
        parse_inherited("{", source="inherited.json")
