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
        {"policy": TEXT},
        {"planned_values": {"root_module": {"resources": [{**RESOURCE, "type": "aws_s3_bucket"}]}}},
        {"Resources": {"P": {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": POLICY}}}},
        _planned(TEXT),
        _planned(TEXT, TEXT, "", None),
        {"values": {"root_module": {"resources": [RESOURCE]}}},
        {"values": {"root_module": {"child_modules": [{"child_modules": [{"resources": [RESOURCE]}]}]}}},
        {
            "version": 4,
            "resources": [{"type": "aws_s3_bucket_policy", "instances": [{"attributes": {"policy": TEXT}}]}],
        },
    ],
)
def test_a_policy_is_taken_out_of_what_a_tool_prints_around_it(value: Any) -> None:
    assert policies.parse(json.dumps(value), source="file").value == POLICY


def test_a_wrapper_without_one_policy_is_no_policy() -> None:
    other = TEXT.replace("Deny", "Allow")
    with pytest.raises(policies.GrammarError, match="a Terraform document with 2 policies"):
        policies.parse(json.dumps(_planned(TEXT, other)))
    with pytest.raises(policies.ParseError, match="the policy inside file, line 1, column 2"):
        policies.parse(json.dumps({"Policy": "{x"}), source="file")
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
    for text in (terraform, template):
        assert policies.parse(text, bucket="a").value == POLICY
        assert policies.parse(text, bucket="b").value == allowing
        assert policies.parse(text, kind="kms").value == KEY_POLICY
        for bucket in ("", "c"):
            with pytest.raises(policies.GrammarError, match="with 2 policies"):
                policies.parse(text, bucket=bucket)


def test_a_template_with_functions_has_no_policy_that_is_known() -> None:
    statement: dict[str, Any] = {**POLICY["Statement"][0], "Resource": {"Fn::GetAtt": ["Bucket", "Arn"]}}  # type: ignore[dict-item]
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    with pytest.raises(policies.GrammarError, match="a CloudFormation template"):
        policies.parse(_template(One=("AWS::S3::BucketPolicy", {"PolicyDocument": policy})))
