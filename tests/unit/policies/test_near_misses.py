"""The statement that nearly grants a requirement, and the element that does not match."""

from __future__ import annotations

from typing import Any

import pytest

import policies
from policies import near_misses

NIMBLE = "arn:aws:iam::744254827463:user/webit-uploader"
ASYNC = policies.contract("async", "s3")
GCS = policies.contract("async", "gs")
TARGET = policies.target(ASYNC, "acme-results", prefixes={"prefix": "nimble/"})
WRITE = {
    "Sid": "N",
    "Effect": "Allow",
    "Principal": {"AWS": NIMBLE},
    "Action": ["s3:PutObject", "s3:PutObjectAcl"],
    "Resource": "arn:aws:s3:::acme-results/nimble/*",
}
LOCATION = {**WRITE, "Sid": "L", "Action": "s3:GetBucketLocation", "Resource": "arn:aws:s3:::acme-results"}


def found(*statements: dict[str, Any], action: str = "s3:PutObject") -> list[policies.NearMiss]:
    value = {"Version": "2012-10-17", "Statement": list(statements)}
    document = policies.document(value, kind="s3")
    verdicts = policies.prove(ASYNC, TARGET, document).verdicts
    (verdict,) = [each for each in verdicts if each.action == action]
    return list(near_misses(ASYNC, TARGET, document, verdict))


@pytest.mark.parametrize(
    ("fields", "element", "values", "wanted"),
    [
        # A prefix without its slash or without the star.
        ({"Resource": "arn:aws:s3:::acme-results/nimble"}, "Resource", ("arn:aws:s3:::acme-results/nimble",), "/*"),
        ({"Resource": "arn:aws:s3:::acme-results/nimble/"}, "Resource", ("arn:aws:s3:::acme-results/nimble/",), "/*"),
        (
            {"Principal": {"AWS": "arn:aws:iam::744254827463:role/webit-uploader"}},
            "Principal",
            ("arn:aws:iam::744254827463:role/webit-uploader",),
            NIMBLE,
        ),
        ({"Principal": {"AWS": f"{NIMBLE} "}}, "Principal", (f"{NIMBLE} ",), NIMBLE),
        ({"Action": ["s3:PutObjectAcl"]}, "Action", ("s3:PutObjectAcl",), "s3:PutObject"),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, "Condition", ("Bool aws:SecureTransport",), ""),
    ],
)
def test_the_one_element_that_misses_is_named(
    fields: dict[str, Any], element: str, values: tuple[str, ...], wanted: str
) -> None:
    (miss,) = found({**WRITE, **fields}, LOCATION)
    assert (miss.label, miss.element, miss.found) == ("statement 1 (N)", element, values)
    assert miss.path == f"$.Statement[0].{element}"
    assert miss.wanted.endswith(wanted)
    if element == "Resource":
        assert miss.wanted == "arn:aws:s3:::acme-results/nimble/*"


def test_what_misses_in_two_elements_or_holds_or_is_denied_is_no_near_miss() -> None:
    assert found(LOCATION) == []
    assert found(WRITE, LOCATION) == []
    denied = {**WRITE, "Sid": "D", "Effect": "Deny", "Principal": "*"}
    assert found(WRITE, LOCATION, denied) == []


def test_a_single_statement_and_not_elements_have_their_path() -> None:
    value = {"Version": "2012-10-17", "Statement": {**LOCATION, "NotAction": "s3:Put*"}}
    del value["Statement"]["Action"]  # type: ignore[attr-defined]
    value["Statement"]["Resource"] = WRITE["Resource"]  # type: ignore[index]
    document = policies.document(value, kind="s3")
    (verdict,) = [each for each in policies.prove(ASYNC, TARGET, document).verdicts if each.action == "s3:PutObject"]
    (miss,) = near_misses(ASYNC, TARGET, document, verdict)
    assert (miss.element, miss.path) == ("Action", "$.Statement.NotAction")


ADDRESS = "nimbleway-gcp-storage@nimbleway-gcp.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("binding", "element", "wanted"),
    [
        ({"members": [f"user:{ADDRESS}"]}, "members", f"serviceAccount:{ADDRESS}"),
        ({"members": [ADDRESS]}, "members", f"serviceAccount:{ADDRESS}"),
        ({"role": "roles/storage.objectViewer"}, "role", "roles/storage.objectCreator"),
        ({"condition": {"expression": 'resource.name.startsWith("x")'}}, "condition", ""),
    ],
)
def test_a_binding_that_nearly_grants(binding: dict[str, Any], element: str, wanted: str) -> None:
    target = policies.target(GCS, "acme-gcs", prefixes={"prefix": "nimble/"})
    value = {"role": "roles/storage.objectCreator", "members": [f"serviceAccount:{ADDRESS}"], **binding}
    document = policies.document({"bindings": [value, {"role": "roles/storage.admin", "members": ["user:a@b.c"]}]})
    (verdict,) = policies.prove(GCS, target, document).verdicts
    (miss,) = near_misses(GCS, target, document, verdict)
    assert (miss.element, miss.wanted, miss.path) == (element, wanted, f"$.bindings[0].{element}")
