"""What is found in the principals, actions and resources of a statement: code, words, element and correction."""

from __future__ import annotations

from typing import Any

import pytest

import policies
from policies.checks import store_findings
from tests.unit.policies.checked import report, with_statement

ACCOUNT, BUCKET, DIRECTORY = "arn:aws:iam::111122223333:", "arn:aws:s3:::bkt", "arn:aws:s3express:eu:1:bucket/b--x-s3"
_CODES = {
    *("allow-not-principal", "deleted-principal", "invalid-principal", "wildcard-service", "directory-bucket"),
    *("operation-not-action", "unknown-action", "action-without-resource", "old-version", "invalid-resource"),
    *("placeholder", "wrong-bucket"),
}


def findings(version: str = "2012-10-17", **fields: Any) -> list[policies.Finding]:
    value = {**with_statement(**fields), "Version": version}
    return [each for each in report(value).findings if each.code in _CODES]


def found(**fields: Any) -> list[tuple[str, str, str, str]]:
    """Return code, message and element of each finding, with the text that is to be written."""
    return [(each.code, each.message, each.path.rpartition(".")[2], each.fix["to"]) for each in findings(**fields)]


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        (f" {ACCOUNT}root", "has a space at its beginning"),
        (f"{ACCOUNT}user/x ", "has a space at its end"),
        (f"{ACCOUNT}user/*", "has a wildcard inside an ARN"),
        (f"{ACCOUNT}user/a?", "has a wildcard inside an ARN"),
        (f"{ACCOUNT}group/g", "is a group, which no policy can name as a principal"),
        (f"{ACCOUNT}policy/x", "is no ARN of a user, role or account"),
        (f"{ACCOUNT}user/a b", "has a character that no name of a user, role or session has"),
    ],
)
def test_a_principal_that_is_none(named: str, problem: str) -> None:
    remove, edit = policies.FixAction.REMOVE_PRINCIPAL, policies.FixAction.EDIT
    for effect, element, action in (
        ("Allow", "Principal", remove),
        ("Deny", "Principal", edit),
        ("Deny", "NotPrincipal", edit),
    ):
        fields: dict[str, Any] = {"Effect": effect, element: {"AWS": [f"{ACCOUNT}root", named]}}
        (finding,) = findings(**fields)
        assert (finding.code, finding.severity) == ("invalid-principal", "error")
        assert finding.message == f"{named!r} {problem}"
        assert finding.path.rpartition(".")[2] == element
        # A guard would be weakened by the removal of a principal.
        assert (finding.fix.action, finding.fix["principal"]) == (action, named if action is remove else "")
        assert finding.fix.side_effects == ((policies.SideEffect.PRINCIPAL_LOSES_ACCESS,) if action is remove else ())


def test_a_principal_that_was_deleted_loses_nothing() -> None:
    (finding,) = findings(Principal={"AWS": "AIDAEXAMPLEEXAMPLE123"})
    assert finding.message == "AIDAEXAMPLEEXAMPLE123 is the id of a deleted user or role"
    assert (finding.code, finding.fix["principal"]) == ("deleted-principal", "AIDAEXAMPLEEXAMPLE123")
    assert finding.fix.side_effects == ()


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": "111122223333"},
        {"AWS": f"{ACCOUNT}user/p/a:b/c"},
        {"AWS": "arn:aws:sts::111122223333:assumed-role/r/s"},
        {"Service": "sns.amazonaws.com"},
        {"Service": "*"},
    ],
)
def test_a_principal_that_is_stored(principal: dict[str, str]) -> None:
    assert found(Principal=principal) == []


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        (f"{ACCOUNT}root", "is no service; a user, role or account stands under AWS"),
        ("111122223333", "is no service; a user, role or account stands under AWS"),
        ("sns.*.com", "is no name of a service"),
        ("sns.?.com", "is no name of a service"),
        ("a b", "is no name of a service"),
    ],
)
def test_a_service_that_is_none(named: str, problem: str) -> None:
    assert found(Principal={"Service": named}) == [("invalid-principal", f"{named!r} {problem}", "Principal", "")]


def test_allow_with_not_principal_is_removed() -> None:
    (finding,) = findings(NotPrincipal={"AWS": f"{ACCOUNT}root"})
    assert (finding.code, finding.message) == ("allow-not-principal", "Allow with NotPrincipal")
    assert (finding.fix.action, finding.fix["statement"]) == (policies.FixAction.REMOVE_STATEMENT, "Mine")


_WILD = "has a wildcard in the name of the service"


@pytest.mark.parametrize(
    ("action", "code", "message", "to"),
    [
        ("*:GetObject", "wildcard-service", f"'*:GetObject' {_WILD}", "s3:GetObject"),
        ("s?:GetObject", "wildcard-service", f"'s?:GetObject' {_WILD}", "s3:GetObject"),
        ("kms:Decrypt", "unknown-action", "'kms:Decrypt' matches no action of S3", ""),
        (
            "kms:GetObject",
            "unknown-action",
            "'kms:GetObject' matches no action of S3; s3:GetObject is similar",
            "s3:GetObject",
        ),
    ],
)
def test_an_action_that_s3_does_not_have(action: str, code: str, message: str, to: str) -> None:
    for element in ("Action", "NotAction"):
        assert found(Effect="Deny", **{element: action}) == [(code, message, element, to)]
        assert findings(**{element: action})[0].severity == "error"


@pytest.mark.parametrize(("action", "meant"), [("s3:GetObjct", "s3:GetObject"), ("s3:Zzzzz", "")])
def test_an_action_that_may_be_newer_than_the_table(action: str, meant: str) -> None:
    message = f"{action!r} matches no action of S3" + (f"; {meant} is similar" if meant else "")
    (finding,) = findings(Action=action)
    assert (finding.code, finding.severity, finding.fix["to"]) == ("unknown-action", "warning", meant)
    assert finding.message.startswith(f"{message}; the table of actions is of 20")
    (own,) = findings(Action=action, Principal={"AWS": policies.contract("async").principal})
    assert (own.severity, own.message) == ("error", message)


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("HeadBucket", "ListBucket"),
        ("HeadObject", "GetObject"),
        ("ListObjects", "ListBucket"),
        ("ListObjectsV2", "ListBucket"),
        ("ListObjectVersions", "ListBucketVersions"),
        ("ListMultipartUploads", "ListBucketMultipartUploads"),
        ("ListParts", "ListMultipartUploadParts"),
        ("ListBuckets", "ListAllMyBuckets"),
        ("CreateMultipartUpload", "PutObject"),
        ("UploadPart", "PutObject"),
        ("CompleteMultipartUpload", "PutObject"),
        ("PostObject", "PutObject"),
        ("CopyObject", "PutObject"),
        ("DeleteObjects", "DeleteObject"),
        ("GetBucketEncryption", "GetEncryptionConfiguration"),
        ("PutBucketEncryption", "PutEncryptionConfiguration"),
        ("DeleteBucketEncryption", "PutEncryptionConfiguration"),
        ("GetBucketLifecycle", "GetLifecycleConfiguration"),
        ("GetBucketLifecycleConfiguration", "GetLifecycleConfiguration"),
        ("PutBucketLifecycleConfiguration", "PutLifecycleConfiguration"),
    ],
)
def test_an_operation_is_authorised_as_an_action_of_another_name(operation: str, action: str) -> None:
    message = f"s3:{operation} is an API operation; it is authorised as s3:{action}"
    assert found(Action=f"s3:{operation}") == [("operation-not-action", message, "Action", f"s3:{action}")]


@pytest.mark.parametrize(
    ("action", "resource", "kinds"),
    [
        ("s3:ListBucket", f"{BUCKET}/*", "accesspoint and bucket"),
        ("s3:GetObject", BUCKET, "accesspointobject and object"),
        ("s3:ListAllMyBuckets", BUCKET, "no resource"),
    ],
)
def test_an_action_that_fits_no_resource(action: str, resource: str, kinds: str) -> None:
    message = f"{action} works on {kinds}, and no resource here is one"
    assert found(Action=action, Resource=resource) == [("action-without-resource", message, "Action", "")]
    assert found(Effect="Deny", NotAction=action, Resource=resource) == []
    assert found(Effect="Deny", Action=action, NotResource=resource) == []


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("*", BUCKET),
        ("s3:*", BUCKET),
        ("s3:ListBucket", BUCKET),
        ("s3:GetObject", f"{BUCKET}*"),
        ("s3:GetObject", f"{BUCKET}${{aws:username}}"),
        ("s3:GetObject", "arn:aws:s3:*:*:bkt/x"),
        ("s3:GetObject", "arn:aws:s3:::b${aws:username}/x"),
        ("s3:ListBucket", "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap"),
        ("s3:GetObject", "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap"),
        ("s3:GetObject", "arn:aws:s3:eu-west-1:111122223333:accesspoint/ap/object/x"),
    ],
)
def test_an_action_and_a_resource_that_are_stored(action: str, resource: str) -> None:
    assert found(Action=action, Resource=resource) == []


@pytest.mark.parametrize(
    ("fields", "removed"),
    [
        ({"Action": "s3express:CreateSession", "Resource": DIRECTORY}, True),
        ({"Action": "S3Express:CreateSession", "Resource": [DIRECTORY, DIRECTORY]}, True),
        ({"Action": "s3express:CreateSession", "Resource": [DIRECTORY, BUCKET]}, False),
        ({"Action": ["s3express:CreateSession", "s3:ListBucket"], "Resource": [DIRECTORY, BUCKET]}, False),
        ({"Action": "s3express:CreateSession", "Resource": "*"}, False),
    ],
)
def test_a_statement_about_a_directory_bucket_is_removed_where_it_is_about_nothing_else(
    fields: dict[str, Any], removed: bool
) -> None:
    reported = findings(**fields)
    assert {each.code for each in reported} == {"directory-bucket"}
    assert ("s3express:CreateSession is of directory buckets".lower()) in {each.message.lower() for each in reported}
    if fields["Resource"] != "*":
        assert f"{DIRECTORY} is a directory bucket" in {each.message for each in reported}
    action = policies.FixAction.REMOVE_STATEMENT if removed else policies.FixAction.EDIT
    assert {each.fix.action for each in reported} == {action}


@pytest.mark.parametrize(
    ("resource", "code", "message", "to"),
    [
        ("s3://bkt/x", "invalid-resource", "'s3://bkt/x' is a URL; a policy names an ARN", f"{BUCKET}/x"),
        ("S3://bkt/x", "invalid-resource", "'S3://bkt/x' is a URL; a policy names an ARN", f"{BUCKET}/x"),
        ("https://bkt/x", "invalid-resource", "'https://bkt/x' is a URL; a policy names an ARN", ""),
        ("bkt/x", "invalid-resource", "'bkt/x' is no ARN of S3", f"{BUCKET}/x"),
        ("bkt:x", "invalid-resource", "'bkt:x' is no ARN of S3", ""),
        ("x:aws:s3:a:b:c", "invalid-resource", "'x:aws:s3:a:b:c' is no ARN of S3", ""),
        ("arn:aws:iam::1:role/x", "invalid-resource", "'arn:aws:iam::1:role/x' is no ARN of S3", ""),
        (f" {BUCKET}/x", "invalid-resource", f"' {BUCKET}/x' has a space at its beginning or end", f"{BUCKET}/x"),
        (
            "arn:aws:s3:eu-west-1::bkt/x",
            "invalid-resource",
            "'arn:aws:s3:eu-west-1::bkt/x': the ARN of a bucket names no Region and no account",
            f"{BUCKET}/x",
        ),
        (
            "arn:aws:s3:::other/x",
            "wrong-bucket",
            "arn:aws:s3:::other/x is not in the bucket bkt",
            f"{BUCKET}/x",
        ),
        (
            "arn:aws:s3:::YOUR_BUCKET/x",
            "placeholder",
            "YOUR_BUCKET is a placeholder; the bucket is bkt",
            f"{BUCKET}/x",
        ),
        (
            "arn:aws:s3:::${var.b}/x",
            "placeholder",
            "${var.b} is left of a template; IAM does not know it",
            f"{BUCKET}/x",
        ),
        (f"{BUCKET}/${{x}}", "placeholder", "${x} is left of a template; IAM does not know it", ""),
        ("${bucket}/x", "placeholder", "${bucket} is left of a template; IAM does not know it", ""),
    ],
)  # fmt: skip
def test_a_resource_that_is_none_of_the_bucket(resource: str, code: str, message: str, to: str) -> None:
    assert found(Effect="Deny", Resource=resource) == [(code, message, "Resource", to)]
    (finding,) = findings(Resource=resource)
    corrected = policies.FixAction.CORRECT if to and code != "wrong-bucket" else policies.FixAction.EDIT
    assert (finding.fix.action, finding.severity) == (corrected, "error")


def test_what_is_not_about_a_resource_may_name_another_bucket() -> None:
    assert found(Effect="Deny", NotResource="arn:aws:s3:::other/*") == []
    (finding,) = findings(Effect="Deny", NotResource=f"{BUCKET} ")
    assert (finding.fix["element"], finding.fix["text"], finding.fix["to"]) == ("NotResource", f"{BUCKET} ", BUCKET)


def test_without_a_target_what_a_template_left_is_named_alone() -> None:
    value = with_statement(Resource="arn:aws:s3:::${var.b}/x")
    stored = store_findings(policies.document(value, kind="s3"))
    assert [(each.code, each.fix.action) for each in stored] == [("placeholder", policies.FixAction.EDIT)]


def test_in_the_old_version_a_variable_in_a_key_is_text() -> None:
    literal = ("old-version", f"'{BUCKET}/${{x}}' is taken literally", "Resource", "")
    assert found(version="2008-10-17", Resource=f"{BUCKET}/${{x}}") == [literal]
    codes = [each.code for each in findings("2008-10-17", Resource="arn:aws:s3:::${x}/y")]
    assert sorted(codes) == ["old-version", "placeholder"]
