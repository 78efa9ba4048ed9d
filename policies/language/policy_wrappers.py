"""Take a policy out of what tools print around it: a JSON string, an API answer, a plan, a state or a template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.language.strict_json import compact_json, parse_json
from policies.policy_errors import GrammarError, PolicyErrorCode

_S3, _KMS, _GCS = "s3", "kms", "gcs"
_TERRAFORM_TYPES = {
    "aws_s3_bucket_policy": _S3,
    "aws_s3_bucket": _S3,
    "aws_kms_key_policy": _KMS,
    "aws_kms_key": _KMS,
    "google_storage_bucket_iam_policy": _GCS,
}
_ATTRIBUTES = ("policy", "policy_data")
_CLOUDFORMATION_TYPES = {
    "AWS::S3::BucketPolicy": (_S3, "PolicyDocument"),
    "AWS::KMS::Key": (_KMS, "KeyPolicy"),
    "AWS::KMS::ReplicaKey": (_KMS, "KeyPolicy"),
}
_FIELDS = ("Policy", "PolicyDocument", "KeyPolicy", "policy")
"""The fields under which answers and templates hold a policy."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    kind: str
    """``s3``, ``kms`` or ``gcs``."""
    bucket: str
    """The bucket that it is for; empty where the document does not name it."""
    policy: str | Mapping[str, Any]
    """Its text, or the policy itself."""


def unwrap(value: Any, *, source: str = "", kind: str | None = None, bucket: str = "") -> Any:
    """Return the policy inside ``value``, or ``value`` where it is no known wrapper.

    Known are a policy as a JSON string, the answers of get-bucket-policy and get-key-policy, ``terraform show -json``
    of a plan or a state, and a CloudFormation template whose policy holds no function. Of several policies the one
    for ``bucket``, and of ``kind``, is taken; a bucket's before a key's. Raises ParseError for text in it that is not
    JSON, GrammarError where several policies are left.
    """
    if isinstance(value, str):
        return _inner(value, source)
    if not isinstance(value, Mapping) or "Statement" in value or "bindings" in value:
        return value
    for name in _FIELDS:
        if isinstance(value.get(name), str):
            return _inner(value[name], source)
        if isinstance(value.get(name), Mapping) and "Statement" in value[name]:
            return value[name]
    found = [*_terraform(value), *_cloudformation(value)]
    chosen = _chosen(found, kind, bucket)
    if len(chosen) > 1:
        names = "Terraform document" if "Resources" not in value else "CloudFormation template"
        raise GrammarError(
            f"a {names} with {len(chosen)} policies",
            path="$",
            source=source,
            code=PolicyErrorCode.SEVERAL_POLICIES,
        )
    if not chosen:
        return value
    return _inner(chosen[0], source) if isinstance(chosen[0], str) else chosen[0]


def _chosen(found: Sequence[_Candidate], kind: str | None, bucket: str) -> list[str | Mapping[str, Any]]:
    """Return the policies that are meant, each once."""
    left = [each for each in found if kind is None or each.kind == kind]
    if kind is None and any(each.kind != _KMS for each in left):
        left = [each for each in left if each.kind != _KMS]
    if any(each.bucket == bucket for each in left if bucket):
        left = [each for each in left if each.bucket == bucket]
    texts = [each.policy if isinstance(each.policy, str) else compact_json(each.policy) for each in left]
    return [each.policy for number, each in enumerate(left) if texts.index(texts[number]) == number]


def _inner(text: str, source: str) -> Any:
    # One level: a string inside the string is no policy.
    return parse_json(text, source=f"the policy inside {source}" if source else "the policy inside the document")


def _terraform(value: Mapping[str, Any]) -> Iterator[_Candidate]:
    """Yield the policies of a plan, else of a state as printed, else of a state file."""
    if "resource_changes" in value:
        for change in _list(value["resource_changes"]):
            yield from _policies(change, _mapping(change.get("change")).get("after"))
        return
    for part in ("planned_values", "values"):
        yield from _modules(_mapping(_mapping(value.get(part)).get("root_module")))
    for resource in _list(value.get("resources")):
        for instance in _list(resource.get("instances")):
            yield from _policies(resource, instance.get("attributes"))


def _modules(module: Mapping[str, Any]) -> Iterator[_Candidate]:
    waiting = [module]
    while waiting:
        one = waiting.pop()
        for resource in _list(one.get("resources")):
            yield from _policies(resource, resource.get("values"))
        waiting += _list(one.get("child_modules"))


def _policies(resource: Mapping[str, Any], values: Any) -> Iterator[_Candidate]:
    kind = _TERRAFORM_TYPES.get(str(resource.get("type")))
    attributes = _mapping(values)
    for name in _ATTRIBUTES if kind is not None else ():
        text = attributes.get(name)
        if isinstance(text, str) and text.strip():
            bucket = attributes.get("bucket")
            yield _Candidate(kind or "", bucket.removeprefix("b/") if isinstance(bucket, str) else "", text)


def _cloudformation(value: Mapping[str, Any]) -> Iterator[_Candidate]:
    """Yield the policies of a template; one with a function is left out, because its value is not known."""
    resources = _mapping(value.get("Resources"))
    for resource in resources.values():
        kind, field = _CLOUDFORMATION_TYPES.get(str(_mapping(resource).get("Type")), ("", ""))
        properties = _mapping(_mapping(resource).get("Properties"))
        policy = properties.get(field)
        if isinstance(policy, Mapping) and not _has_function(policy):
            bucket = properties.get("Bucket")
            if isinstance(bucket, Mapping):
                named = _mapping(resources.get(str(bucket.get("Ref"))))
                bucket = _mapping(named.get("Properties")).get("BucketName")
            yield _Candidate(kind, bucket if isinstance(bucket, str) else "", policy)


def _has_function(value: Any) -> bool:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            if any(name == "Ref" or name.startswith("Fn::") for name in one):
                return True
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return False


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
