"""What `check` finds: each rule by an example, and silence where nothing is the matter."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import policies
from policies.checks.overgrants import is_public
from policies.checks.rules import RULES
from tests.unit.policies.checked import ASYNC, GCS, JOBS, codes, generated, report, target, with_statement

CATALOGUE = Path(__file__).resolve().parents[3] / "scripts" / "policy_catalogue"


def test_what_is_generated_has_nothing_the_matter() -> None:
    assert codes(generated()) == ["no-test-connection"]
    assert codes(generated(JOBS), JOBS) == []
    assert codes(policies.generate(GCS, target(GCS)).value, GCS) == []
    for contract in (ASYNC, JOBS):
        whole = policies.generate_key_policy(contract, target(contract), "111122223333").value
        assert codes(whole, contract) == (["inferred"] if contract.mode == "jobs" else [])


def test_the_vendors_page_has_nothing_the_matter() -> None:
    whole = policies.target(ASYNC, "bkt")
    value = policies.generate(ASYNC, whole, as_documented=True).value
    found = report(value, target=whole)
    assert not found.fails("warning")
    assert not report(policies.generate_key_statement(ASYNC, whole).value).fails("warning")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Action": "s3:GetObjekt"}, "unknown-action"),
        ({"Action": "kms:Decrypt"}, "unknown-action"),
        ({"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bkt/out/*"}, "action-without-resource"),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::bkt"}, "action-without-resource"),
        ({"Action": "s3:ListAllMyBuckets", "Resource": "arn:aws:s3:::bkt"}, "action-without-resource"),
        ({"Resource": "bkt/*"}, "invalid-resource"),
        ({"Resource": "arn:aws:sqs:eu-west-1:111122223333:q"}, "invalid-resource"),
        ({"Principal": {"AWS": "AIDAJQABLZS4A3QDU576Q"}}, "deleted-principal"),
        ({"Principal": {"AWS": ["team"]}}, "invalid-principal"),
        ({"Principal": {"AWS": "arn:aws:iam::111122223333:role/*"}}, "invalid-principal"),
        ({"Principal": {"AWS": "arn:aws:iam::111122223333:user/John Doe"}}, "invalid-principal"),
        ({"Principal": {"AWS": "arn:aws:iam::111122223333:user/team\u200b"}}, "invalid-principal"),
        ({"Principal": {"AWS": "arn:aws:iam::111122223333:role/team/"}}, "invalid-principal"),
        ({"Principal": {"AWS": f"arn:aws:iam::111122223333:user/{'a/' * 60}!"}}, "invalid-principal"),
        ({"Principal": {"Service": ASYNC.principal}}, "invalid-principal"),
        ({"Principal": {"Service": "111122223333"}}, "invalid-principal"),
        ({"Principal": {"Service": "*.amazonaws.com"}}, "invalid-principal"),
        ({"Resource": "arn:aws:s3:eu-west-1:111122223333:bkt/*"}, "invalid-resource"),
        ({"Resource": "arn:aws:s3:eu-west-1::bkt/*"}, "invalid-resource"),
        ({"Resource": "arn:aws:s3:::bkt/* "}, "invalid-resource"),
        ({"Resource": "arn:aws:s3:::${BucketName}/*"}, "placeholder"),
        ({"Resource": "${aws_s3_bucket.results.arn}/*"}, "placeholder"),
        ({"Resource": "arn:aws:s3:::{bucket}/*"}, "placeholder"),
        ({"Resource": "arn:aws:s3:::%BUCKET%/*"}, "placeholder"),
        ({"Resource": "arn:aws:s3:::amzn-s3-demo-bucket/*"}, "placeholder"),
        ({"Resource": "arn:aws:s3:::your-bucket-name/*"}, "placeholder"),
        ({"Condition": {"IpAddress": {"SourceIp": "203.0.113.0/24"}}}, "unknown-condition-key"),
        ({"Condition": {"Bool": {"s3:SecureTransport": "true"}}}, "unknown-condition-key"),
        ({"Condition": {"StringEquals": {"iam:SourceVpce": "vpce-1"}}}, "unknown-condition-key"),
        ({"Condition": {"NumericLessThan": {"aws:TlsVersion": "1.2"}}}, "unknown-condition-key"),
        ({"Condition": {"StringEquals": {"aws:PrincipalTag": "x"}}}, "unknown-condition-key"),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "fe80::1%eth0"}}}, "unreadable-value"),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/255.255.255.0"}}}, "unreadable-value"),
        ({"NotPrincipal": {"AWS": "arn:aws:iam::111122223333:root"}}, "allow-not-principal"),
        ({"Condition": {"StringEquals": {"s3:nothing": "x"}}}, "unknown-condition-key"),
        ({"Condition": {"StringEquals": {"s3:prefix": "x"}}}, "condition-without-action"),
        ({"Condition": {"NumericEquals": {"aws:MultiFactorAuthAge": "old"}}}, "unreadable-value"),
        ({"Condition": {"Bool": {"aws:SecureTransport": "yes"}}}, "unreadable-value"),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "office"}}}, "unreadable-value"),
        ({"Condition": {"Null": {"aws:SourceIp": "maybe"}}}, "unreadable-value"),
        ({"Condition": {"DateLessThan": {"aws:CurrentTime": "2027"}}}, "unreadable-value"),
        ({"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:iam::*"}}}, "unreadable-value"),
        ({"Sid": "NimbleCloudDeliveryWrite"}, "duplicate-sid"),
        ({"Comment": "ours"}, "unknown-field"),
        ({"Principal": "*"}, "public"),
        ({"Principal": {"AWS": "744254827463"}}, "account-root"),
        ({"Principal": {"AWS": ASYNC.principal}, "Action": "s3:GetObject"}, "beyond-contract"),
        ({"Principal": {"AWS": ASYNC.principal}, "NotAction": "s3:Get*"}, "beyond-contract"),
        ({"Principal": {"AWS": ASYNC.principal}, "Action": "s3:Delete*"}, "delete-granted"),
        ({"Principal": {"AWS": ASYNC.principal}, "Action": "s3:PutObject"}, "beyond-prefix"),
        ({"Principal": {"AWS": ASYNC.principal}, "NotResource": "arn:aws:s3:::bkt/x/*"}, "beyond-prefix"),
        (
            {
                "Principal": {"AWS": ASYNC.principal},
                "Action": "s3:PutObject",
                "Resource": "arn:aws:s3:::bucket/out/*",
            },
            "wrong-bucket",
        ),
        ({"Effect": "Deny", "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt2"], "Action": "s3:*"}, "wrong-bucket"),
        ({"Principal": {"AWS": ASYNC.principal.replace("744254827463", "744254827436")}}, "principal-typo"),
        ({"Principal": {"AWS": ASYNC.principal.replace("webit", "webbit")}}, "principal-typo"),
        ({"Resource": "arn:aws-cn:s3:::bkt/*"}, "wrong-partition"),
        ({"Principal": {"AWS": "arn:aws-us-gov:iam::111122223333:role/team"}}, "wrong-partition"),
    ],
)
def test_a_statement_with_something_the_matter(fields: dict[str, Any], code: str) -> None:
    value = with_statement(**fields)
    found = [each for each in report(value).findings if each.code == code]
    assert found
    assert found[0].where.startswith(("statement 3", "statement 2"))
    assert found[0].path.startswith("$.Statement[2]")
    assert found[0].message
    assert found[0].fix
    assert found[0].provider_message == RULES[code].provider_message


@pytest.mark.parametrize(
    "fields",
    [
        {"Action": "s3:*", "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"]},
        {"Action": ["s3:ListBucket", "s3:GetObject"], "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"]},
        {"Resource": "arn:aws:s3:::bkt/${aws:username}/*"},
        {"Resource": "arn:aws:s3:::${aws:PrincipalTag/bucket}/*"},
        {"Resource": "*"},
        {"NotResource": "arn:aws:s3:::bkt/x/*"},
        {"NotAction": "s3:GetObject"},
        {"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}},
        {"Principal": {"Service": "logging.s3.amazonaws.com"}},
        {"Principal": {"AWS": "arn:aws:iam::111122223333:user/a!b/c+d=e,f.g@h_i-j"}},
        {"Principal": {"AWS": "arn:aws:sts::111122223333:assumed-role/team/me@example.com"}},
        {"Resource": "arn:aws:s3:::bkt/${aws:PrincipalTag/team, 'a'}/${*}/{x}/<y>"},
        {"Condition": {"StringEquals": {"saml:aud": "x"}}},
        {"Condition": {"StringEquals": {"identitystore:UserId": "x"}}},
        {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "x"}}},
        {"Condition": {"StringEquals": {"s3:ExistingObjectTag/team": "x"}}},
        {"Action": "s3:*", "Condition": {"StringLike": {"s3:prefix": "x"}}},
        {
            "Condition": {
                "DateLessThan": {"aws:CurrentTime": "2027-01-01"},
                "Bool": {"aws:SecureTransport": True},
            }
        },
        {
            "Effect": "Deny",
            "NotPrincipal": {"AWS": [ASYNC.principal, "744254827463"]},
            "Action": "s3:GetObject",
        },
    ],
)
def test_a_statement_with_nothing_the_matter(fields: dict[str, Any]) -> None:
    assert codes(with_statement(**fields)) == ["no-test-connection"]


@pytest.mark.parametrize(
    ("fields", "path", "to"),
    [
        ({"Resource": " arn:aws:s3:::bkt/*"}, "Resource", "arn:aws:s3:::bkt/*"),
        ({"Resource": "arn:aws:s3:eu-west-1:111122223333:bkt/*"}, "Resource", "arn:aws:s3:::bkt/*"),
        ({"Resource": "arn:aws:s3:::${BucketName}/a/*"}, "Resource", "arn:aws:s3:::bkt/a/*"),
        ({"Resource": "arn:aws:s3:::bkt-${Stage}/*"}, "Resource", ""),
        ({"Resource": "${Bucket.Arn}/*"}, "Resource", ""),
        ({"Condition": {"IpAddress": {"SourceIp": "203.0.113.0/24"}}}, "Condition", "aws:SourceIp"),
        ({"Condition": {"Bool": {"s3:SecureTransport": "true"}}}, "Condition", "aws:SecureTransport"),
        ({"Condition": {"NumericLessThan": {"aws:TlsVersion": "1.2"}}}, "Condition", "s3:tlsversion"),
        ({"Condition": {"StringEquals": {"aws:PrincipalTag": "x"}}}, "Condition", ""),
    ],
)
def test_what_is_meant_is_the_correction(fields: dict[str, Any], path: str, to: str) -> None:
    found = next(each for each in report(with_statement(**fields)).findings if each.provider_message)
    assert (found.fix["element"], found.fix["to"]) == (path if to else "", to)


def test_a_variable_in_an_old_document_is_text() -> None:
    value = with_statement(
        Resource="arn:aws:s3:::bkt/${aws:username}/*",
        Condition={"StringEquals": {"aws:PrincipalTag/x": "${aws:userid}"}},
    )
    value["Version"] = "2008-10-17"
    assert codes(value).count("old-version") == 2


def test_what_a_template_left_is_text_in_a_key_of_an_old_document() -> None:
    for resource, problems in (
        ("arn:aws:s3:::bkt/${Stage}/*", ["old-version"]),
        ("arn:aws:s3:::${Bucket}/*", ["placeholder", "old-version"]),
    ):
        found = codes({**with_statement(Resource=resource), "Version": "2008-10-17"})
        assert sorted(found) == sorted([*problems, "no-test-connection"])


def test_a_requirement_that_does_not_hold() -> None:
    value = generated()
    del value["Statement"][1]
    found = report(value)
    missing = [each for each in found.findings if each.code == "requirement-missing"]
    assert [each.consequences for each in missing] == [("s3:PutObject on prefix", "s3:PutObjectAcl on prefix")]
    assert "s3:PutObject on arn:aws:s3:::bkt/out/x is allowed by no statement" in missing[0].message
    assert found.fails()
    deny = with_statement(Effect="Deny", Principal="*", Action="s3:PutObject")
    (first, *_) = report(deny).findings
    assert (first.code, first.where) == ("requirement-denied", "statement 3 (Mine)")
    office = {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    unsure = report(with_statement(Effect="Deny", Principal="*", Action="s3:PutObject", Condition=office))
    (first, *_) = unsure.findings
    assert (first.code, first.severity) == ("requirement-undecided", "warning")
    assert "condition:aws:SourceIp (203.0.113.0/24); statement 3 (Mine) denies if NotIpAddress" in first.message
    assert not unsure.fails()
    assert unsure.fails("warning")


def test_a_prefix_condition_on_the_listing() -> None:
    value = generated(JOBS)
    value["Statement"][0]["Condition"] = {"StringLike": {"s3:prefix": "input/*"}}
    assert codes(value, JOBS)[:2] == ["requirement-missing", "prefix-condition-on-list"]


def test_the_other_modes_principal() -> None:
    assert "other-mode-principal" in codes(generated(ASYNC), JOBS)
    both = generated(JOBS)
    both["Statement"] += generated(ASYNC)["Statement"]
    assert "other-mode-principal" not in codes(both, JOBS)
    other = policies.contract("jobs", principal="arn:aws:iam::999999999999:user/nimble-test")
    assert "other-mode-principal" not in codes(generated(ASYNC), other)


@pytest.mark.parametrize(("given", "misspelt"), [("Out/*", True), ("oout/*", True), ("entirely/else/*", False)])
def test_a_prefix_that_is_misspelt(given: str, *, misspelt: bool) -> None:
    value = generated()
    value["Statement"][1]["Resource"] = f"arn:aws:s3:::bkt/{given}"
    assert ("prefix-typo" in codes(value)) is misspelt


def test_resources_too_tangled_to_compare_claim_nothing() -> None:
    tangled = [f"arn:aws:s3:::bkt/out/*{a}{b}*" for a in "abcdefghijkl" for b in "xyz"]
    value = with_statement(Principal={"AWS": ASYNC.principal}, Action="s3:PutObject", Resource=tangled)
    assert "beyond-prefix" not in codes(value)


def test_size_and_its_limit() -> None:
    filler = [f"arn:aws:s3:::bkt/{at:0900}/*" for at in range(23)]
    assert "too-large" in codes(with_statement(Resource=filler))
    assert "near-limit" in codes(with_statement(Resource=filler[:20]))
    assert "near-limit" in codes(with_statement(Resource=filler[:5]), raw_size=21_000)
    assert codes(with_statement(Resource=filler[:5]), raw_size=6_000) == ["no-test-connection"]


def test_a_document_without_statements() -> None:
    assert "no-statement" in codes({"Version": "2012-10-17", "Statement": []})
    assert "unknown-field" in codes({**generated(), "Statements": []})
    alone = {"Version": "2012-10-17", "Statement": with_statement(Principal="*")["Statement"][-1]}
    found = next(each for each in report(alone).findings if each.code == "public")
    assert found.path == "$.Statement.Principal"


@pytest.mark.parametrize(
    ("condition", "public"),
    [
        ({}, True),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, False),
        ({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}, True),
        ({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}, True),
        ({"StringLike": {"aws:PrincipalOrgID": "o-*"}}, True),
        ({"ForAllValues:StringEquals": {"aws:PrincipalOrgPaths": "o-1/r"}}, True),
        ({"ForAnyValue:StringEquals": {"aws:PrincipalOrgPaths": "o-1/r"}}, False),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, False),
        ({"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "0.0.0.0/0"]}}, True),
        ({"IpAddress": {"aws:SourceIp": "2001:db8::/32"}}, False),
        ({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, True),
        ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, False),
        ({"Null": {"aws:SourceVpce": "false"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
    ],
)
def test_what_s3_calls_public(condition: dict[str, Any], *, public: bool) -> None:
    value = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "*",
        "Condition": condition,
    }
    statement = policies.document({"Version": "2012-10-17", "Statement": value}).statements[0]
    assert is_public(statement) is public


def test_an_old_table_of_actions_is_reported() -> None:
    old = policies.check(ASYNC, target(), policies.document(generated()), at=datetime(2029, 1, 1, tzinfo=UTC))
    found = next(each for each in old.findings if each.code == "old-action-table")
    assert found.severity == "warning"
    assert not old.fails()


def test_the_catalogue_page_is_what_the_rules_give() -> None:
    subprocess.run([sys.executable, CATALOGUE, "--check"], check=True)
