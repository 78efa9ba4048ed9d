"""Reading a policy out of what a tool prints around it."""

from __future__ import annotations

import json
from typing import Any

import pytest

import policies

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}],
}
TEXT = json.dumps(POLICY)


def _planned(*policies_in_it: object) -> dict[str, Any]:
    changes = [
        {"type": "aws_s3_bucket_policy", "change": {"actions": ["create"], "after": {"bucket": "b", "policy": each}}}
        for each in policies_in_it
    ]
    other = {"type": "aws_iam_role_policy", "change": {"after": {"policy": "{}"}}}
    return {"format_version": "1.2", "resource_changes": [other, *changes], "values": {"root_module": {}}}


RESOURCE = {"type": "aws_s3_bucket_policy", "values": {"policy": TEXT}}


@pytest.mark.parametrize(
    "value",
    [
        POLICY,
        TEXT,
        {"Policy": TEXT},
        {"Policy": TEXT, "PolicyName": "default"},
        {"Policy": POLICY},
        {"PolicyDocument": POLICY},
        {"KeyPolicy": POLICY},
        {"policy": TEXT},
        {"planned_values": {"root_module": {"resources": [{**RESOURCE, "type": "aws_s3_bucket"}]}}},
        {"Resources": {"P": {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": POLICY}}}},
        {"Resources": {"P": {"Type": "AWS::KMS::ReplicaKey", "Properties": {"KeyPolicy": POLICY}}}},
        {
            "Resources": {
                name: {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": POLICY, "Bucket": ["no name"]}}
                for name in ("One", "Same")
            }
        },
        {"values": {"root_module": {"resources": [{**RESOURCE, "type": "aws_kms_key_policy"}]}}},
        {"values": {"root_module": {"resources": [{**RESOURCE, "values": {"policy": TEXT, "bucket": 1}}]}}},
        _planned(TEXT),
        _planned(TEXT, TEXT, "", None),
        {"values": {"root_module": {"resources": [RESOURCE]}}},
        {"values": {"root_module": {"child_modules": [{"child_modules": [{"resources": [RESOURCE]}]}]}}},
        {
            "terraform_version": "1.9.0",
            "values": {
                "root_module": {"child_modules": [{"resources": [None, {**RESOURCE, "type": "aws_kms_key_policy"}]}]}
            },
        },
        {
            "Resources": {
                "P": {
                    "Type": "AWS::S3::BucketPolicy",
                    "Properties": {"PolicyDocument": POLICY, "Bucket": {"Fn::ImportValue": "of another stack"}},
                }
            }
        },
        {
            "version": 4,
            "resources": [{"type": "aws_s3_bucket_policy", "instances": [{"attributes": {"policy": TEXT}}]}],
        },
    ],
)
def test_a_policy_is_taken_out_of_what_a_tool_prints_around_it(value: Any) -> None:
    assert policies.parse(json.dumps(value), source="file").value == POLICY


def test_what_is_a_policy_is_not_taken_out_of_itself() -> None:
    for value in ({**POLICY, "Policy": "of another tool"}, {"bindings": [], "policy": "of another tool"}):
        assert policies.parse(json.dumps(value)).value == value


ALLOWING = json.loads(TEXT.replace("Deny", "Allow"))
IDENTITY = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}


@pytest.mark.parametrize(
    "value",
    [
        {"PolicyVersion": {"Document": POLICY, "VersionId": "v1"}},
        {"bucket_policy": {"sensitive": False, "type": "string", "value": TEXT}},
        {
            "ResourceDescription": {
                "Identifier": "b",
                "Properties": json.dumps({"Bucket": "b", "PolicyDocument": POLICY}),
            }
        },
        {"configuration": {"role": IDENTITY}, "supplementaryConfiguration": {"BucketPolicy": {"policyText": TEXT}}},
        {"deployment": {"resources": [{"inputs": {"policy": TEXT}, "outputs": {"policy": TEXT}}]}},
        {"note": "{not JSON", "items": [{"policy": TEXT}]},
    ],
)
def test_the_only_policy_in_another_document_is_taken(value: Any) -> None:
    assert policies.parse(json.dumps(value), source="file").value == POLICY


def test_another_document_without_one_policy_is_no_policy() -> None:
    with pytest.raises(policies.GrammarError, match="a document with 2 policies"):
        policies.parse(json.dumps({"items": [POLICY, ALLOWING]}))
    values: list[Any] = [{"items": [IDENTITY]}, {"terraform_version": "1", "p": TEXT}, {"a": {"Statement": []}}]
    for value in values:
        with pytest.raises(policies.GrammarError, match="no Statement"):
            policies.parse(json.dumps(value))


def test_a_wrapper_without_one_policy_is_no_policy() -> None:
    other = TEXT.replace("Deny", "Allow")
    with pytest.raises(policies.GrammarError, match="a Terraform document with 2 policies"):
        policies.parse(json.dumps(_planned(TEXT, other)))
    with pytest.raises(policies.ParseError, match="the policy inside file, line 1, column 2"):
        policies.parse(json.dumps({"Policy": "{x"}), source="file")
    with pytest.raises(policies.ParseError, match="the policy inside the document, line 1, column 2"):
        policies.parse(json.dumps({"Policy": "{x"}))
    with pytest.raises(policies.GrammarError, match="a Terraform plan without a policy"):
        policies.parse(json.dumps(_planned(None)))
    broken: list[Any] = [json.dumps(TEXT), {"Policy": 1}, _planned(), _planned(None), {"resources": 1}, {"values": []}]
    for value in broken:
        with pytest.raises(policies.GrammarError):
            policies.parse(json.dumps(value))


def _template(**resources: tuple[str, dict[str, Any]]) -> str:
    value = {name: {"Type": kind, "Properties": each} for name, (kind, each) in resources.items()}
    return json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": value})


KEY_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}],
}


def test_of_several_policies_the_one_of_the_bucket_or_the_kind_is_taken() -> None:
    allowing = {"Version": "2012-10-17", "Statement": [{**POLICY["Statement"][0], "Effect": "Allow"}]}  # type: ignore[dict-item]
    types = ("aws_s3_bucket_policy", "aws_s3_bucket_policy", "aws_kms_key")
    values = ({"bucket": "a", "policy": TEXT}, {"bucket": "b", "policy": json.dumps(allowing)})
    resources = [
        {"type": kind, "values": each}
        for kind, each in zip(types, (*values, {"policy": json.dumps(KEY_POLICY)}), strict=True)
    ]
    terraform = json.dumps({"values": {"root_module": {"resources": resources}}})
    template = _template(
        Bucket=("AWS::S3::Bucket", {"BucketName": "b"}),
        One=("AWS::S3::BucketPolicy", {"Bucket": "a", "PolicyDocument": POLICY}),
        Two=("AWS::S3::BucketPolicy", {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": allowing}),
        Key=("AWS::KMS::Key", {"KeyPolicy": KEY_POLICY}),
    )
    for text, name in ((terraform, "Terraform document"), (template, "CloudFormation template")):
        assert policies.parse(text, bucket="a").value == policies.parse(text, bucket="a", kind="s3").value == POLICY
        assert policies.parse(text, bucket="b").value == allowing
        assert policies.parse(text, kind="kms").value == KEY_POLICY
        for bucket in ("", "c"):
            with pytest.raises(policies.GrammarError, match=f"a {name} with 2 policies") as caught:
                policies.parse(text, bucket=bucket)
            assert caught.value.path == "$"


def test_a_policy_without_a_bucket_is_not_taken_for_that_of_no_bucket() -> None:
    other = TEXT.replace("Deny", "Allow")
    with pytest.raises(policies.GrammarError, match="with 2 policies"):
        policies.parse(
            _template(
                One=("AWS::S3::BucketPolicy", {"PolicyDocument": POLICY}),
                Two=("AWS::S3::BucketPolicy", {"PolicyDocument": json.loads(other), "Bucket": "b"}),
            )
        )


def test_a_template_with_functions_has_no_policy_that_is_known() -> None:
    statement: dict[str, Any] = {**POLICY["Statement"][0], "Resource": {"Fn::GetAtt": ["Bucket", "Arn"]}}  # type: ignore[dict-item]
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    with pytest.raises(policies.GrammarError, match="a CloudFormation template"):
        policies.parse(_template(One=("AWS::S3::BucketPolicy", {"PolicyDocument": policy})))


ARN = "arn:aws:s3:::acme"


@pytest.mark.parametrize(
    ("function", "value"),
    [
        ({"Fn::GetAtt": ["Bucket", "Arn"]}, ARN),
        ({"Fn::GetAtt": "Bucket.Arn"}, ARN),
        ({"Fn::Join": ["", [{"Fn::GetAtt": ["Bucket", "Arn"]}, "/*"]]}, f"{ARN}/*"),
        ({"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":s3:::", {"Ref": "Bucket"}, "/*"]]}, f"{ARN}/*"),
        ({"Fn::Sub": "${Bucket.Arn}/nimble/*"}, f"{ARN}/nimble/*"),
        ({"Fn::Sub": "arn:${AWS::Partition}:s3:::${ Bucket }/${!aws:username}/*"}, f"{ARN}/${{aws:username}}/*"),
        ({"Fn::Sub": ["arn:aws:s3:::${B}/*", {"B": {"Ref": "Bucket"}}]}, f"{ARN}/*"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_functions_that_the_buckets_of_a_template_decide_are_evaluated(
    function: dict[str, Any], value: str, *, named: bool
) -> None:
    policy = {"Version": "2012-10-17", "Statement": [{**ALLOWING["Statement"][0], "Resource": [function]}]}
    text = _template(
        Bucket=("AWS::S3::Bucket", {"BucketName": "acme"} if named else {}),
        Policy=("AWS::S3::BucketPolicy", {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": policy}),
    )
    (statement,) = policies.parse(text, bucket="acme").statements
    assert statement.resources == (value,)


@pytest.mark.parametrize(
    "function",
    [
        {"Ref": "AWS::AccountId"},
        {"Ref": ["Bucket"]},
        {"Fn::GetAtt": ["Bucket", "DomainName"]},
        {"Fn::GetAtt": [["Bucket"], "Arn"]},
        {"Fn::GetAtt": 1},
        {"Fn::Sub": "${AWS::Region}"},
        {"Fn::Sub": ["${Bucket}"]},
        {"Fn::Join": ["", {"Ref": "Bucket"}]},
        {"Fn::Join": ["", [1]]},
        {"Fn::If": ["A", "a", "b"]},
        {"Fn::ImportValue": "x"},
    ],
)
def test_a_function_that_a_template_does_not_decide_leaves_no_policy(function: Any) -> None:
    policy = {"Version": "2012-10-17", "Statement": [{**ALLOWING["Statement"][0], "Resource": function}]}
    text = _template(
        Bucket=("AWS::S3::Bucket", {"BucketName": "acme"}),
        Policy=("AWS::S3::BucketPolicy", {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": policy}),
    )
    with pytest.raises(policies.GrammarError, match="a CloudFormation template"):
        policies.parse(text, bucket="acme")


def test_which_of_several_buckets_is_meant_is_not_guessed() -> None:
    policy = {"Version": "2012-10-17", "Statement": [{**ALLOWING["Statement"][0], "Resource": {"Ref": "Bucket"}}]}
    two: dict[str, tuple[str, dict[str, Any]]] = {"Bucket": ("AWS::S3::Bucket", {}), "Other": ("AWS::S3::Bucket", {})}
    text = _template(**two, Policy=("AWS::S3::BucketPolicy", {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": policy}))
    with pytest.raises(policies.GrammarError, match="a CloudFormation template"):
        policies.parse(text, bucket="acme")


CREATOR, VIEWER = "roles/storage.objectCreator", "roles/storage.objectViewer"
NIMBLE, ANN = "serviceAccount:nimble@example.iam.gserviceaccount.com", "user:ann@example.com"
CONDITION = {"title": "t", "description": "", "expression": "true"}


def _member(bucket: str = "acme", **changes: Any) -> dict[str, Any]:
    return {"bucket": bucket, "role": CREATOR, "member": NIMBLE, "condition": []} | changes


def _several(bucket: str = "acme") -> dict[str, Any]:
    return {"bucket": bucket, "role": VIEWER, "members": [ANN], "condition": [CONDITION]}


def _bindings_of(*attributes: dict[str, Any] | None) -> list[str]:
    """Return a plan, its planned values, a state as printed and a state file with resources that add bindings."""
    types = ["google_storage_bucket_iam_binding" if "members" in (each or {}) else "google_storage_bucket_iam_member"
             for each in attributes]  # fmt: skip
    resources = [{"type": kind, "values": each} for kind, each in zip(types, attributes, strict=True)]
    documents = [
        {
            "resource_changes": [
                {"type": kind, "change": {"after": each}} for kind, each in zip(types, attributes, strict=True)
            ]
        },
        {"planned_values": {"root_module": {"resources": resources}}},
        {"values": {"root_module": {"resources": resources}}},
        {
            "version": 4,
            "resources": [
                {"type": kind, "instances": [{"attributes": each}]}
                for kind, each in zip(types, attributes, strict=True)
            ],
        },
    ]
    return list(map(json.dumps, documents))


@pytest.mark.parametrize("number", range(4), ids=["plan", "planned values", "printed state", "state file"])
def test_resources_that_add_bindings_are_one_policy_of_each_bucket(number: int) -> None:
    text = _bindings_of(_member("b/acme"), _several(), _member("other", member=ANN), None)[number]
    found = policies.parse(text, bucket="acme")
    assert (found.kind, found.value) == (
        "gcs",
        {
            "version": 3,
            "bindings": [
                {"role": CREATOR, "members": [NIMBLE]},
                {"role": VIEWER, "members": [ANN], "condition": CONDITION},
            ],
        },
    )
    assert policies.parse(text, bucket="other", kind="gcs").value == {
        "version": 1,
        "bindings": [{"role": CREATOR, "members": [ANN]}],
    }
    with pytest.raises(policies.GrammarError, match="with 2 policies"):
        policies.parse(text)


def test_the_bindings_of_another_bucket_are_not_taken() -> None:
    whole = {"bucket": "other", "policy_data": json.dumps({"bindings": []})}
    plan = {"resource_changes": [{"type": "google_storage_bucket_iam_policy", "change": {"after": whole}}]}
    for text in (_bindings_of(_member("other"))[0], json.dumps(plan)):
        for kind in (None, "gcs"):
            with pytest.raises(policies.GrammarError, match="the bindings of other buckets alone") as caught:
                policies.parse(text, kind=kind, bucket="acme")
            assert (caught.value.code, caught.value.path) == ("other_buckets", "$")
        assert policies.parse(text, bucket="other").kind == policies.parse(text).kind == "gcs"


@pytest.mark.parametrize(
    "unknown",
    [
        {"bucket": "acme", "member": NIMBLE, "condition": []},
        {"bucket": "acme", "role": CREATOR, "condition": []},
        {"bucket": "acme", "role": CREATOR, "member": NIMBLE},
        {"bucket": "acme", "role": CREATOR, "members": None, "condition": []},
        {"bucket": "acme", "role": CREATOR, "members": [None], "condition": []},
        _member(condition=[{"title": "t"}]),
        _member(condition=[None]),
    ],
)
def test_bindings_that_are_known_only_once_a_plan_is_applied_are_no_policy(unknown: dict[str, Any]) -> None:
    with pytest.raises(policies.GrammarError, match="a Terraform plan without a policy"):
        policies.parse(_bindings_of(_several(), unknown)[0], bucket="acme")


@pytest.mark.parametrize("value", [POLICY, {"resources": [], "version": 4}, {"a": 1}])
def test_a_document_of_another_kind_is_no_policy_of_cloud_storage(value: Any) -> None:
    with pytest.raises(policies.GrammarError, match="no bindings") as caught:
        policies.parse(json.dumps(value), kind="gcs")
    assert caught.value.code == "no_bindings"
    with pytest.raises(policies.GrammarError, match="a Terraform plan without a policy"):
        policies.parse('{"resource_changes": []}', kind="gcs")
    assert policies.parse('{"etag": "ACAB"}', kind="gcs").bindings == policies.parse("{}", kind="gcs").bindings == ()


@pytest.mark.parametrize("field", ["Policy", "PolicyDocument", "KeyPolicy", "policy"])
def test_a_policy_of_an_identity_inside_an_answer_is_named_as_one(field: str) -> None:
    identity = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    for inner in (identity, json.dumps(identity)):
        with pytest.raises(policies.GrammarError, match="this is an identity policy"):
            policies.parse(json.dumps({field: inner}))


def test_a_policy_of_another_resource_in_a_plan_is_not_taken() -> None:
    resources = [{"type": "aws_sqs_queue_policy", "values": {"policy": TEXT}}]
    with pytest.raises(policies.GrammarError, match="a Terraform plan without a policy"):
        policies.parse(json.dumps({"planned_values": {"root_module": {"resources": resources}}}))
    with pytest.raises(policies.GrammarError, match="the bucket's policy and the key's statement in one object"):
        policies.parse(json.dumps({"BucketPolicy": POLICY, "KeyPolicyStatement": POLICY["Statement"][0]}))


def test_of_several_policies_in_a_document_of_another_form_none_is_taken() -> None:
    other = json.loads(TEXT.replace("Deny", "Allow"))
    with pytest.raises(policies.GrammarError, match="a document with 2 policies") as caught:
        policies.parse(json.dumps({"inventory": [POLICY, other]}))
    assert caught.value.path == "$"


def test_resources_of_the_bucket_that_are_no_bindings_decide_nothing() -> None:
    changes = [
        {"type": "google_storage_bucket_object", "change": {"after": {"bucket": "acme", "name": "x"}}},
        {
            "type": "google_storage_bucket_iam_member",
            "change": {"after": _member(condition=[CONDITION | {"title": None}])},
        },
    ]
    found = policies.parse(json.dumps({"resource_changes": changes}), bucket="acme")
    condition = {name: text for name, text in CONDITION.items() if name != "title"}
    assert found.value["bindings"] == [{"role": CREATOR, "members": [NIMBLE], "condition": condition}]
