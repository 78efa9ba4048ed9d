"""Policies of kinds that people posted, each with the right verdict and what it must name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

import policies

NIMBLE = "arn:aws:iam::744254827463:user/webit-uploader"
BUCKET, OBJECTS = "arn:aws:s3:::acme-results", "arn:aws:s3:::acme-results/*"
ASYNC = policies.contract("async", "s3")
GCS = policies.contract("async", "gs")
AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
KEY = "arn:aws:kms:eu-west-1:111122223333:key/0a0a0a0a-1111-2222-3333-444444444444"
GRANT = {
    "Sid": "NimbleCloudDelivery",
    "Effect": "Allow",
    "Principal": {"AWS": NIMBLE},
    "Action": ["s3:PutObject", "s3:PutObjectACL", "s3:GetBucketLocation"],
    "Resource": [BUCKET, OBJECTS],
}


def proof(*statements: dict[str, Any], at: datetime | None = AT, account: str = "111122223333") -> policies.Proof:
    target = policies.target(ASYNC, "acme-results", prefixes={"prefix": "nimble/"}, region="eu-west-1", account=account)
    value = {"Version": "2012-10-17", "Statement": list(statements)}
    return policies.prove(ASYNC, target, policies.document(value, kind="s3"), at=at)


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


ENCRYPTION = "s3:x-amz-server-side-encryption"
PUT = {"Action": "s3:PutObject", "Resource": OBJECTS}


@pytest.mark.parametrize(
    "condition",
    [
        # An identity perimeter that names Nimble's account.
        {
            "StringNotEqualsIfExists": {
                "aws:PrincipalOrgID": "o-abc123def4",
                "aws:PrincipalAccount": ["111122223333", "744254827463"],
            },
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
        # A VPC endpoint or a principal, Nimble's user among them.
        {
            "StringNotEquals": {"aws:sourceVpce": "vpce-0123456789abcdef0"},
            "ArnNotLike": {
                "aws:PrincipalArn": ["arn:aws:iam::111122223333:role/operator", "arn:aws:iam::744254827463:user/*"]
            },
        },
    ],
)
def test_a_guardrail_that_exempts_nimble_holds(condition: dict[str, Any]) -> None:
    assert proof(GRANT, guard(condition)).state == "holds"


@pytest.mark.parametrize(
    "condition",
    [
        {
            "StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-abc123def4", "aws:PrincipalAccount": ["111122223333"]},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
        {"StringNotEquals": {"aws:sourceVpce": "vpce-0123456789abcdef0"}},
        {
            "ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/special_role"},
            "StringNotEquals": {"aws:PrincipalOrgID": "o-12345678"},
        },
        {"StringNotEqualsIfExists": {"aws:VpceOrgID": "o-cust"}},
        {"StringNotEqualsIfExists": {"aws:VpceAccount": "111122223333"}},
        {"ForAllValues:StringNotLike": {"aws:VpceOrgPaths": "o-cust/r-abcd/ou-1/*"}},
        {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}},
        {"StringNotEquals": {"aws:PrincipalOrgID": ["${aws:ResourceOrgID}", "o-abc123def4"]}},
        {"StringNotEquals": {"aws:VpceOrgID": "${aws:ResourceOrgID}"}},
        {"StringNotEquals": {"aws:PrincipalAccount": "${aws:ResourceAccount}"}},
        {"StringNotEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}},
        {"StringNotEquals": {"aws:PrincipalAccount": "${s3:ResourceAccount}"}},
        # From a private address, S3 is reached through a VPC endpoint only, without aws:SourceIp.
        {"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "172.16.0.0/12", "192.168.1.7", "fd00::/8"]}},
        # An IAM user's id is AIDA…, never a role's and never an account.
        {"StringNotLike": {"aws:userId": ["AROAJZ45MYWZWL7SPA56W:*", "111122223333"]}},
        {"StringNotLike": {"aws:userid": ["*:i-0123456789abcdef0", "*:ann@example.com"]}},
    ],
)
def test_a_guardrail_of_the_customers_own_network_or_identity_fails(condition: dict[str, Any]) -> None:
    # Whether the account is known makes no difference.
    assert proof(GRANT, guard(condition)).state == "fails"
    found = proof(GRANT, guard(condition), account="")
    assert {each.state for each in found.verdicts} == {"fails"}
    assert {each.effect for each in found.verdicts} == {"explicitly_denied"}
    assert {reference.sid for each in found.verdicts for reference in each.statements} == {"Guard"}


@pytest.mark.parametrize(
    ("condition", "key"),
    [
        ({"NumericLessThan": {"s3:TlsVersion": "1.2"}}, "s3:TlsVersion"),
        ({"NumericLessThan": {"s3:TlsVersion": 1.2}, "Null": {"s3:TlsVersion": "false"}}, "s3:TlsVersion"),
        (
            {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}},
            "s3:x-amz-server-side-encryption-customer-algorithm",
        ),
        ({"StringNotEquals": {"s3:authType": "REST-HEADER"}}, "s3:authType"),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, "aws:SourceIp"),
        ({"StringEquals": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}}, "aws:ResourceOrgID"),
        ({"StringNotEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}}, "s3:signatureversion"),
    ],
)
def test_a_guardrail_holds_under_an_assumption_with_its_source(condition: dict[str, Any], key: str) -> None:
    found = proof(GRANT, guard(condition, **PUT))
    assert found.state == "holds_assuming"
    (assumption,) = found.assumptions
    assert assumption.key == key
    assert assumption.source.title
    assert assumption.source.date >= "2026-11"


@pytest.mark.parametrize(
    "condition",
    [
        {"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "203.0.113.0/24"]}},
        {"IpAddress": {"aws:SourceIp": "172.16.0.0/11"}},
        {"StringEqualsIfExists": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}},
        {"StringNotEquals": {"aws:PrincipalOrgID": "o-${aws:ResourceOrgID}"}},
        {"StringNotEquals": {"aws:ResourceAccount": ["744254827463", "111122223333"]}},
        {"DateGreaterThan": {"aws:CurrentTime": "2027"}},
    ],
)
def test_what_may_be_either_way_is_unknown(condition: dict[str, Any]) -> None:
    assert proof(GRANT, guard(condition), account="").state == "unknown"


def test_two_conditions_of_which_one_is_known_need_no_assumption() -> None:
    both = guard({"Bool": {"aws:SecureTransport": "false"}, "NumericLessThan": {"s3:TlsVersion": "1.2"}})
    assert proof(GRANT, both).state == "holds"


@pytest.mark.parametrize(
    ("conditions", "values"),
    [
        ([{"Null": {ENCRYPTION: "true"}}], ("true",)),
        ([{"StringNotEquals": {ENCRYPTION: "AES256"}}, {"Null": {ENCRYPTION: "true"}}], ("AES256", "true")),
        ([{"StringNotEqualsIfExists": {ENCRYPTION: "aws:kms"}, "Null": {ENCRYPTION: "false"}}], ("aws:kms", "false")),
    ],
)
def test_the_encryption_header_decides(conditions: list[dict[str, Any]], values: tuple[str, ...]) -> None:
    guards = [guard(each, Sid=f"G{at}", **PUT) for at, each in enumerate(conditions)]
    (verdict,) = [each for each in proof(GRANT, *guards).verdicts if each.state != "holds"]
    assert verdict.state == "unknown"
    (reason,) = verdict.reasons
    assert (reason.code, reason.values) == (f"condition:{ENCRYPTION}", values)


def test_a_tag_is_carried_by_the_requests_that_have_it_alone() -> None:
    clean = {"StringNotEquals": {"s3:ExistingObjectTag/scan": "clean"}}
    states = {each.action: each.state for each in proof(GRANT, guard(clean)).verdicts}
    assert states == {"s3:GetBucketLocation": "fails", "s3:PutObject": "fails", "s3:PutObjectAcl": "unknown"}
    assert proof(GRANT, guard(clean, Action="s3:GetObject", Resource=OBJECTS)).state == "holds"
    team = {"Null": {"s3:RequestObjectTag/team": "true"}}
    states = {each.action: each.state for each in proof(GRANT, guard(team)).verdicts}
    assert states == {"s3:GetBucketLocation": "fails", "s3:PutObject": "unknown", "s3:PutObjectAcl": "fails"}


def test_denied_either_way_fails() -> None:
    partial = {**GRANT, "Action": ["s3:GetBucketLocation", "s3:PutObjectAcl"]}
    found = proof(partial, guard({"StringNotEquals": {ENCRYPTION: "aws:kms"}}, **PUT))
    (verdict,) = [each for each in found.verdicts if each.state != "holds"]
    assert (verdict.action, verdict.state, verdict.effect) == ("s3:PutObject", "fails", "implicitly_denied")


def test_for_any_value_if_exists_is_false_on_an_absent_key() -> None:
    condition = {"ForAnyValue:StringEqualsIfExists": {"aws:CalledVia": ["athena.amazonaws.com"]}}
    assert {each.state for each in proof({**GRANT, "Condition": condition}).verdicts} == {"fails"}


def test_an_allow_excludes_whom_its_not_principal_names() -> None:
    everything = {
        "Effect": "Allow",
        "NotPrincipal": {"AWS": NIMBLE},
        "Action": "s3:*",
        "Resource": [BUCKET, OBJECTS],
    }
    assert {each.state for each in proof(everything).verdicts} == {"fails"}


def test_a_variable_with_a_default_grants_nothing_certain() -> None:
    resource = "arn:aws:s3:::acme-results/${aws:PrincipalTag/team, 'nimble'}/*"
    writes = {**GRANT, "Action": ["s3:PutObject", "s3:PutObjectAcl"], "Resource": resource}
    found = proof(writes)
    assert {each.action: each.state for each in found.verdicts} == {
        "s3:GetBucketLocation": "fails",
        "s3:PutObject": "unknown",
        "s3:PutObjectAcl": "unknown",
    }
    assert {reason.code for each in found.verdicts for reason in each.reasons} == {"condition:aws:PrincipalTag/team"}
    target = policies.target(ASYNC, "acme-results", prefixes={"prefix": "nimble/"})
    document = policies.document({"Version": "2012-10-17", "Statement": [writes]}, kind="s3")
    assert policies.plan_change(document, policies.DesiredState(ASYNC, target)).proof.state == "holds"


class TestTime:
    END = datetime(2026, 6, 30, tzinfo=UTC)

    def until(self, operator: str = "DateLessThan", end: str = "2026-06-30T00:00:00Z") -> dict[str, Any]:
        return {**GRANT, "Condition": {operator: {"aws:CurrentTime": end}}}

    def test_an_expired_grant_fails_with_its_date(self) -> None:
        found = proof(self.until())
        assert {(each.state, each.holds_until) for each in found.verdicts} == {("fails", self.END)}
        assert all("the grant ended on 2026-06-30T00:00:00Z" in each.needs for each in found.verdicts)

    @pytest.mark.parametrize("operator", ["DateLessThan", "DateLessThanEquals", "DateNotEquals"])
    def test_a_grant_that_will_end_holds_with_its_date(self, operator: str) -> None:
        found = proof(self.until(operator), at=datetime(2026, 6, 1, tzinfo=UTC))
        assert {(each.state, each.holds_until) for each in found.verdicts} == {("holds", self.END)}

    def test_a_denial_that_will_begin_ends_the_grant(self) -> None:
        begins = guard({"DateGreaterThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}})
        found = proof(GRANT, begins)
        assert {(each.state, each.holds_until) for each in found.verdicts} == {
            ("holds", datetime(2027, 1, 1, tzinfo=UTC))
        }

    def test_a_date_that_changes_nothing_is_not_the_end(self) -> None:
        found = proof(GRANT, self.until())
        assert {(each.state, each.holds_until) for each in found.verdicts} == {("holds", None)}

    @pytest.mark.parametrize("end", ["0001-01-01", "9999-12-31T23:59:59Z", "-62135596800", "253402300799"])
    @pytest.mark.parametrize("operator", ["DateLessThanEquals", "DateGreaterThan"])
    def test_the_ends_of_the_calendar_are_never_or_always(self, operator: str, end: str) -> None:
        found = proof(self.until(operator, end))
        always = (operator == "DateLessThanEquals") is (end in ("9999-12-31T23:59:59Z", "253402300799"))
        assert {(each.state, each.holds_until) for each in found.verdicts} == {("holds" if always else "fails", None)}

    def test_seconds_since_the_epoch_are_a_time(self) -> None:
        expired = {**GRANT, "Condition": {"NumericLessThan": {"aws:EpochTime": "1782777600"}}}
        assert {(each.state, each.holds_until) for each in proof(expired).verdicts} == {("fails", self.END)}

    def test_without_a_time_it_is_unknown(self) -> None:
        found = proof(self.until(), at=None)
        assert {reason.code for each in found.verdicts for reason in each.reasons} == {"condition:aws:CurrentTime"}

    def test_a_report_warns_of_the_end(self) -> None:
        target = policies.target(ASYNC, "acme-results", prefixes={"prefix": "nimble/"})
        document = policies.document({"Version": "2012-10-17", "Statement": [self.until()]}, kind="s3")
        report = policies.check(ASYNC, target, document, at=datetime(2026, 6, 1, tzinfo=UTC))
        ends = [each for each in report.findings if each.code == "grant-ends"]
        assert [len(each.consequences) for each in ends] == [3]
        assert all(each.severity == "warning" and "2026-06-30T00:00:00Z" in each.message for each in ends)


def overlapping(count: int) -> list[dict[str, Any]]:
    return [{**GRANT, "Sid": f"S{at}", "Resource": f"arn:aws:s3:::acme-results/*{at:03d}*"} for at in range(count)]


def test_one_allow_among_a_hundred_overlapping_ones_holds() -> None:
    assert proof(GRANT, *overlapping(100)).state == "holds"
    two = [
        {**GRANT, "Sid": "A", "Resource": [BUCKET, "arn:aws:s3:::acme-results/nimble/?*"]},
        *({**each, "Condition": {"Bool": {"aws:SecureTransport": "true"}}} for each in overlapping(100)),
    ]
    assert proof(*two).state == "holds"


class TestKey:
    ROOT: ClassVar[dict[str, Any]] = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    LISTED = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey")

    def prove(self, *, bucket_key: bool | None, context: str = "", actions: Any = LISTED) -> policies.Proof:
        statement = {
            "Sid": "NimbleKMSAccess",
            "Effect": "Allow",
            "Principal": {"AWS": NIMBLE},
            "Action": list(actions),
            "Resource": "*",
        }
        if context:
            statement["Condition"] = {"StringLike": {"kms:EncryptionContext:aws:s3:arn": context}}
        target = policies.target(
            ASYNC, "acme-results", prefixes={"prefix": "nimble/"}, key_arn=KEY, bucket_key=bucket_key
        )
        value = {"Version": "2012-10-17", "Statement": [self.ROOT, statement]}
        bucket = policies.document({"Version": "2012-10-17", "Statement": [GRANT]}, kind="s3")
        return policies.prove(ASYNC, target, bucket, policies.document(value, kind="kms"), at=AT)

    @pytest.mark.parametrize(
        ("context", "bucket_key", "state"),
        [
            (OBJECTS, True, "fails"),
            (OBJECTS, False, "holds"),
            (BUCKET, True, "holds"),
            (BUCKET, False, "fails"),
            (OBJECTS, None, "unknown"),
            (f"{BUCKET}*", None, "holds"),
        ],
    )
    def test_the_bucket_key_setting_decides_the_encryption_context(
        self, context: str, bucket_key: bool | None, state: str
    ) -> None:
        assert self.prove(bucket_key=bucket_key, context=context).state == state

    @pytest.mark.parametrize(
        ("condition", "state"),
        [
            ({"StringNotEquals": {"aws:PrincipalOrgID": "o-abc123def4"}}, "fails"),
            ({"StringNotEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}}, "fails"),
            ({"StringNotEqualsIfExists": {"aws:SourceVpc": "vpc-0123456789abcdef0"}}, "fails"),
            ({"StringEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}}, "holds"),
            ({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}, "fails"),
            ({"StringNotEquals": {"kms:CallerAccount": "111122223333"}}, "fails"),
            ({"StringNotLike": {"kms:ViaService": "s3.*.amazonaws.com"}}, "holds"),
            ({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, "unknown"),
        ],
    )
    def test_a_guard_of_the_key_is_decided(self, condition: dict[str, Any], state: str) -> None:
        allowed = {
            "Effect": "Allow",
            "Principal": {"AWS": NIMBLE},
            "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
            "Resource": "*",
        }
        denied = {"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*", "Condition": condition}
        target = policies.target(ASYNC, "acme-results", prefixes={"prefix": "nimble/"}, key_arn=KEY)
        value = {"Version": "2012-10-17", "Statement": [self.ROOT, allowed, denied]}
        found = policies.prove(ASYNC, target, None, policies.document(value, kind="kms"), at=AT)
        assert {each.state for each in found.key_verdicts if each.decisive} == {state}

    def test_what_a_delivery_uses_decides(self) -> None:
        assert self.prove(bucket_key=True, actions=["kms:Encrypt", "kms:GenerateDataKey"]).state == "fails"
        used = self.prove(bucket_key=True, actions=["kms:Decrypt", "kms:GenerateDataKey"])
        assert used.state == "holds"
        listed = {each.action: each.state for each in used.key_verdicts if not each.decisive}
        assert listed["kms:DescribeKey"] == "fails"
        assert "kms:Decrypt" not in listed


class TestCloudStorage:
    MEMBER = "serviceAccount:nimbleway-gcp-storage@nimbleway-gcp.iam.gserviceaccount.com"
    NEW_BUCKET = (
        {"role": "roles/storage.legacyBucketOwner", "members": ["projectEditor:acme", "projectOwner:acme"]},
        {"role": "roles/storage.legacyBucketReader", "members": ["projectViewer:acme"]},
    )

    def prove(self, *bindings: dict[str, Any], at: datetime | None = AT, inherited: Any = None) -> policies.Verdict:
        target = policies.target(GCS, "acme-gcs", prefixes={"prefix": "nimble/"})
        document = policies.document({"version": 3, "etag": "CAE=", "bindings": [*self.NEW_BUCKET, *bindings]})
        above = None if inherited is None else [policies.document({"bindings": inherited})]
        (verdict,) = policies.prove(GCS, target, document, at=at, inherited=above).verdicts
        return verdict

    def binding(self, role: str = "roles/storage.objectCreator", expression: str = "") -> dict[str, Any]:
        condition = {"condition": {"title": "t", "expression": expression}} if expression else {}
        return {"role": role, "members": [self.MEMBER], **condition}

    @pytest.mark.parametrize(
        "role", ["roles/storage.objectUser", "roles/storage.admin", "roles/storage.legacyBucketWriter"]
    )
    def test_wider_roles_hold(self, role: str) -> None:
        assert self.prove(self.binding(role)).state == "holds"

    def test_type_and_name_are_decided(self) -> None:
        name = 'resource.name.startsWith("projects/_/buckets/acme-gcs/objects/nimble/")'
        both = f'resource.type == "storage.googleapis.com/Object" && {name}'
        assert self.prove(self.binding(expression=both)).state == "holds"
        bucket = f'resource.type == "storage.googleapis.com/Bucket" && {name}'
        assert self.prove(self.binding(expression=bucket), inherited=[]).state == "fails"

    def test_a_missing_binding_is_unknown_while_inherited_roles_are_unread(self) -> None:
        verdict = self.prove()
        assert verdict.state == "unknown"
        (reason,) = verdict.reasons
        assert (reason.code, reason.permission) == (
            "unread:project-policy",
            "resourcemanager.projects.getIamPolicy",
        )
        assert self.prove(inherited=[]).state == "fails"
        assert self.prove(inherited=[self.binding()]).state == "holds"
        # The bucket's owners are the editors of its project.
        assert self.prove(inherited=[self.binding("roles/editor")]).state == "holds"
        assert self.prove(inherited=[self.binding("roles/viewer")]).state == "fails"

    def test_the_time_of_the_request_decides(self) -> None:
        until = self.binding(expression='request.time < timestamp("2026-06-30T00:00:00Z")')
        end = datetime(2026, 6, 30, tzinfo=UTC)
        ended = self.prove(until, inherited=[])
        assert (ended.state, ended.holds_until) == ("fails", end)
        holding = self.prove(until, at=datetime(2026, 6, 1, tzinfo=UTC))
        assert (holding.state, holding.holds_until) == ("holds", end)
        east = self.binding(expression='request.time < timestamp("2026-06-30T02:00:00+02:00")')
        assert f"{self.prove(east, inherited=[]).holds_until:%H:%M}" == "00:00", "in UTC"
        for year in ("0001", "9999"):
            edge = self.binding(expression=f'request.time <= timestamp("{year}-12-31T23:59:59Z")')
            assert self.prove(edge, inherited=[]).state == ("holds" if year == "9999" else "fails")
        assert [each.code for each in self.prove(until, at=None, inherited=[]).reasons] == ["condition:request.time"]
