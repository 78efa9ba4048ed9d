"""The change that is advised: for each mistake it ends with a policy that passes, and weakens nothing besides."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
from policies import DesiredState, FixAction, advised_change, plan_change

NIMBLE = "arn:aws:iam::744254827463:user/webit-uploader"
TEAM = "arn:aws:iam::111122223333:role/team"
BUCKET, OBJECTS = "arn:aws:s3:::acme", "arn:aws:s3:::acme/*"
ASYNC = policies.contract("async", "s3")
GCS = policies.contract("async", "gs")
TARGET = policies.target(ASYNC, "acme", prefixes={"prefix": "nimble/"})


def grant(**fields: Any) -> dict[str, Any]:
    return {
        "Sid": "G",
        "Effect": "Allow",
        "Principal": {"AWS": NIMBLE},
        "Action": ["s3:PutObject", "s3:PutObjectAcl", "s3:GetBucketLocation"],
        "Resource": [BUCKET, "arn:aws:s3:::acme/nimble/*"],
        **fields,
    }


def team(**fields: Any) -> dict[str, Any]:
    return {
        "Sid": "Team",
        "Effect": "Allow",
        "Principal": {"AWS": TEAM},
        "Action": "s3:GetObject",
        "Resource": OBJECTS,
        **fields,
    }


def guard(condition: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "Sid": "Guard",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [BUCKET, OBJECTS],
        "Condition": condition,
        **fields,
    }


def document(*statements: dict[str, Any]) -> policies.PolicyDocument:
    value = {"Version": "2012-10-17", "Statement": copy.deepcopy(list(statements))}
    return policies.document(value, kind="s3", source="policy.json")


def advised(policy: policies.PolicyDocument) -> DesiredState | None:
    report = policies.check(ASYNC, TARGET, policy)
    return advised_change(policy, ASYNC, TARGET, report.findings, at=report.at)


def passes(policy: policies.PolicyDocument) -> bool:
    report = policies.check(ASYNC, TARGET, policy)
    return policies.gate(report.findings, report.proof.verdicts).passed


MISTAKES: dict[str, list[dict[str, Any]]] = {
    "an operation": [grant(Action=["s3:PutObject", "s3:PutObjectAcl", "s3:GetBucketLocation", "s3:HeadBucket"])],
    "two names of one action": [grant(), grant(Sid="H", Action=["s3:HeadBucket", "s3:ListObjectsV2"], Resource=BUCKET)],
    "an action misspelt": [grant(Action=["s3:PutObjct", "s3:PutObjectAcl", "s3:GetBucketLocation"])],
    "a wildcard for the service": [grant(Action=["*:PutObject", "s3:PutObjectAcl", "s3:GetBucketLocation"])],
    "a URL": [grant(Resource=[BUCKET, "s3://acme/nimble/*"])],
    "the URL of another bucket": [grant(Resource=[BUCKET, "s3://other/nimble/*"])],
    "a bucket name": [grant(Resource=["acme", "acme/nimble/*"])],
    "a placeholder": [grant(Resource=["arn:aws:s3:::YOUR_BUCKET_NAME", "arn:aws:s3:::YOUR_BUCKET_NAME/*"])],
    "another bucket": [grant(Resource=["arn:aws:s3:::other", "arn:aws:s3:::other/nimble/*"])],
    "a directory bucket": [
        grant(Action="s3express:CreateSession", Resource="arn:aws:s3express:eu-west-1:111122223333:bucket/a--x-s3")
    ],
    "actions without their resource": [grant(Resource="arn:aws:s3:::acme/nimble/*")],
    "a key in place of a prefix": [grant(Resource=["arn:aws:s3:::acme/nimble/"])],
    "a Sid twice": [grant(), team(Sid="G"), team(Sid="G2")],
    "a misspelt key": [grant(), guard({"StringNotEquals": {"aws:PrincipleOrgID": "o-customer01"}})],
    "a misspelt key of S3": [
        grant(),
        guard(
            {"StringNotEquals": {"s3:x-amz-server-side-encrypton": "AES256"}}, Action="s3:PutObject", Resource=OBJECTS
        ),
    ],
    "an Allow with NotPrincipal": [
        {"Effect": "Allow", "NotPrincipal": {"AWS": NIMBLE}, "Action": "s3:*", "Resource": [BUCKET, OBJECTS]}
    ],
    "a deleted principal": [grant(), team(Principal={"AWS": [TEAM, "AIDAXYZABCDEF12345678"]})],
    "a group": [grant(), team(Principal={"AWS": ["arn:aws:iam::111122223333:group/devs", TEAM]})],
    "a space behind the principal": [grant(Principal={"AWS": f"{NIMBLE} "})],
    "a role in place of the user": [grant(Principal={"AWS": NIMBLE.replace("user/", "role/")})],
    "the principal of jobs": [grant(Principal={"AWS": "arn:aws:iam::744254827463:user/crawlit-scrapy"})],
    "a guard": [grant(), guard({"StringNotEquals": {"aws:SourceVpce": "vpce-1a2b3c4d"}})],
    "a guard beside a wide grant": [
        grant(Action="s3:*", Resource=[BUCKET, OBJECTS]),
        guard({"StringNotEquals": {"aws:PrincipalOrgID": "o-customer01"}}),
    ],
    "a template's variable": [grant(Resource=["arn:aws:s3:::${BucketName}", "arn:aws:s3:::${BucketName}/*"])],
    "Terraform's variable": [grant(Resource=["${aws_s3_bucket.b.arn}", "${aws_s3_bucket.b.arn}/*"])],
    "a Region in an ARN": [grant(Resource=["arn:aws:s3:eu-west-1:111122223333:acme", f"{OBJECTS} "])],
    "a key without its prefix": [grant(), guard({"Bool": {"SecureTransport": "false"}})],
    "nothing": [team()],
    "everything at once": [
        grant(Action=["s3:HeadObject", "s3:PutObjct"], Resource=["s3://acme/nimble/*"]),
        team(Principal={"AWS": ["AROAXYZABCDEF12345678"]}),
        guard({"StringNotEquals": {"aws:PrincipleOrgID": "o-customer01"}}),
    ],
}


@pytest.mark.parametrize("statements", MISTAKES.values(), ids=MISTAKES)
def test_what_is_advised_ends_with_a_policy_that_passes(statements: list[dict[str, Any]]) -> None:
    policy = document(*statements)
    assert not passes(policy)
    desired = advised(policy)
    assert desired is not None
    outcome = plan_change(policy, desired).after
    assert passes(outcome)
    assert advised(outcome) is None
    for each in outcome.statements:
        assert not each.principals.aws or not {f"{NIMBLE} "} & set(each.principals.aws)


@pytest.mark.parametrize(
    "statements",
    [
        # Whether the statement is meant for another bucket, or names a wrong one, is not known.
        [grant(), team(Resource="arn:aws:s3:::other/*")],
        # Which of two statements the condition belongs to is not known.
        [grant(), team(Action="s3:GetObject", Condition={"StringEquals": {"s3:x-amz-acl": "private"}})],
        [grant(), team(Field="x")],
        [grant(), team(Action="s3:Frobnicate", Principal={"AWS": NIMBLE.replace("webit-uploader", "other")})],
    ],
)
def test_what_only_a_person_can_decide_is_not_advised(statements: list[dict[str, Any]]) -> None:
    policy = document(*statements)
    assert not passes(policy)
    assert advised(policy) is None


def test_many_guards_are_exempted_in_one_pass() -> None:
    guards = [
        guard({"StringEquals": {f"aws:PrincipalTag/t{at}": "x"}}, Sid=f"D{at}", Resource=f"arn:aws:s3:::acme/*{at}*")
        for at in range(40)
    ]
    policy = document(grant(), *guards)
    desired = advised(policy)
    assert desired is not None
    change = plan_change(policy, desired)
    assert [each.index for each in change.exemptions] == list(range(1, 41))
    assert len({id(each.proof) for each in change.exemptions}) == 1
    assert passes(change.after)


def test_a_policy_that_passes_needs_nothing() -> None:
    assert advised(document(grant(), team())) is None


def test_a_correction_changes_nothing_else() -> None:
    wrong = team(Action=["s3:GetObject", "s3:ListObjectsV2"], Resource=[BUCKET, OBJECTS], Condition={})
    del wrong["Condition"]
    policy = document(grant(), wrong)
    desired = advised(policy)
    assert desired is not None
    change = plan_change(policy, desired)
    assert change.after.value["Statement"] == [grant(), {**wrong, "Action": ["s3:GetObject", "s3:ListBucket"]}]
    assert change.steps == ("correct statement 2 (Team): s3:ListObjectsV2 is s3:ListBucket",)


def test_a_key_is_not_renamed_beside_the_right_one() -> None:
    both = {"StringNotEquals": {"aws:PrincipleOrgID": "o-1", "aws:PrincipalOrgID": "o-2"}}
    assert advised(document(grant(), guard(both))) is None


def test_two_refused_statements_of_one_name_are_distinguished_by_their_sids() -> None:
    policy = document(grant(), team(), team(), team())
    desired = advised(policy)
    assert desired is not None
    sids = [each.sid for each in plan_change(policy, desired).after.statements]
    assert sids == ["G", "Team", "Team2", "Team3"]


def test_the_version_that_a_condition_needs() -> None:
    target = policies.target(GCS, "acme", prefixes={"prefix": "nimble/"})
    binding = policies.generate(GCS, target).bindings[0].value
    policy = policies.document({"bindings": [binding]}, kind="gcs")
    report = policies.check(GCS, target, policy)
    assert {each.code for each in report.findings} >= {"condition-needs-version-3"}
    desired = advised_change(policy, GCS, target, report.findings, at=report.at)
    assert desired is not None
    after = plan_change(policy, desired).after
    assert after.value == {"bindings": [binding], "version": 3}


def test_a_member_that_is_almost_nimbles_is_named_and_removed() -> None:
    target = policies.target(GCS, "acme", prefixes={"prefix": ""})
    member = GCS.principal.replace("storage@", "storag@")
    policy = policies.document(
        {"bindings": [{"role": "roles/storage.objectCreator", "members": [member, "user:ann@example.com"]}]}, kind="gcs"
    )
    report = policies.check(GCS, target, policy, inherited=())
    errors = {each.code for each in report.findings if each.severity == "error"}
    assert errors == {"requirement-missing", "principal-typo"}
    desired = advised_change(policy, GCS, target, report.findings, inherited=(), at=report.at)
    assert desired is not None
    after = plan_change(policy, desired).after
    assert [each.members for each in after.bindings] == [("user:ann@example.com",), (GCS.principal,)]


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(sorted(MISTAKES)), min_size=1, max_size=3, unique=True),
    st.permutations(range(6)),
)
def test_mistakes_together_end_green_or_with_no_advice(names: list[str], order: list[int]) -> None:
    statements = [each for name in names for each in MISTAKES[name]]
    policy = document(*[statements[at] for at in order if at < len(statements)])
    desired = advised(policy)
    if desired is None:
        assert passes(policy) or any(
            each.fix.action is FixAction.EDIT for each in policies.check(ASYNC, TARGET, policy).findings
        )
        return
    assert passes(plan_change(policy, desired).after)
