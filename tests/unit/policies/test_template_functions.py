"""Functions of CloudFormation templates: what the buckets of a template decide, and what they do not."""

from __future__ import annotations

from typing import Any

import pytest

from policies.language.template_functions import Functions, UnknownFunctionError

BUCKET = "AWS::S3::Bucket"
RESOURCES: dict[str, Any] = {
    "Named": {"Type": BUCKET, "Properties": {"BucketName": "named"}},
    "Unnamed": {"Type": BUCKET},
    "Computed": {"Type": BUCKET, "Properties": {"BucketName": {"Ref": "Parameter"}}},
    "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"BucketName": "no bucket"}},
    "Broken": 1,
}
FUNCTIONS = Functions(RESOURCES, "acme")


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("text", "text"),
        (1, 1),
        ({"Ref": "Named"}, "named"),
        ({"Ref": "Unnamed"}, "acme"),
        ({"Ref": "AWS::Partition"}, "aws"),
        ({"Ref": "AWS::URLSuffix"}, "amazonaws.com"),
        ({"Fn::GetAtt": ["Named", "Arn"]}, "arn:aws:s3:::named"),
        ({"Fn::GetAtt": "Unnamed.Arn"}, "arn:aws:s3:::acme"),
        ({"Fn::Sub": "arn:${AWS::Partition}:s3:::${ Named }/*"}, "arn:aws:s3:::named/*"),
        ({"Fn::Sub": "${Named.Arn}/${!aws:username}"}, "arn:aws:s3:::named/${aws:username}"),
        ({"Fn::Sub": ["${Folder}/${Named}", {"Folder": {"Ref": "Unnamed"}}]}, "acme/named"),
        ({"Fn::Join": ["", [{"Fn::GetAtt": ["Named", "Arn"]}, "/*"]]}, "arn:aws:s3:::named/*"),
        ({"Fn::Join": ["-", ["a", "b"]]}, "a-b"),
        ({"a": [{"Ref": "Named"}, {"b": {"Ref": "Unnamed"}}]}, {"a": ["named", {"b": "acme"}]}),
    ],
)
def test_what_the_buckets_of_a_template_decide(value: Any, result: Any) -> None:
    assert FUNCTIONS.evaluate(value) == result


@pytest.mark.parametrize(
    "value",
    [
        {"Ref": "Parameter"},
        {"Ref": "Computed"},
        {"Ref": "Queue"},
        {"Ref": "AWS::AccountId"},
        {"Ref": ["Named"]},
        {"Fn::GetAtt": ["Named", "DomainName"]},
        {"Fn::GetAtt": ["Queue", "Arn"]},
        {"Fn::GetAtt": 1},
        {"Fn::Sub": "${AWS::Region}"},
        {"Fn::Sub": "${Queue.Arn}"},
        {"Fn::Sub": 1},
        {"Fn::Sub": ["${x}", "no variables"]},
        {"Fn::Sub": ["${x}", {"x": 1}]},
        {"Fn::Join": ["", ["a", 1]]},
        {"Fn::Join": [1, ["a"]]},
        {"Fn::Join": ["", "a"]},
        {"Fn::Join": [""]},
        {"Fn::ImportValue": "x"},
    ],
)
def test_what_they_do_not_decide(value: Any) -> None:
    with pytest.raises(UnknownFunctionError):
        FUNCTIONS.evaluate({"in": [value]})


@pytest.mark.parametrize(
    ("unnamed", "bucket"), [(("One", "Other"), "acme"), (("One",), ""), (("One",), "named"), ((), "acme")]
)
def test_which_bucket_is_asked_about_is_certain_of_one_alone(unnamed: tuple[str, ...], bucket: str) -> None:
    resources = {"Named": RESOURCES["Named"]} | {name: {"Type": BUCKET, "Properties": {}} for name in unnamed}
    assert Functions(resources, bucket).names == {"Named": "named"}
