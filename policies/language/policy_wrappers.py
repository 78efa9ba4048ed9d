"""Take a policy out of what tools print around it: a JSON string, an API answer, a plan, a state or a template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from policies.language.embedded_policies import embedded_policies
from policies.language.strict_json import compact_json, parse_json
from policies.language.template_functions import Functions, UnknownFunctionError
from policies.policy_errors import GrammarError, PolicyErrorCode

_S3, _KMS, _GCS = "s3", "kms", "gcs"
_TERRAFORM_TYPES = {
    "aws_s3_bucket_policy": _S3,
    "aws_s3_bucket": _S3,
    "aws_kms_key_policy": _KMS,
    "aws_kms_key": _KMS,
    "google_storage_bucket_iam_policy": _GCS,
}
_BINDING_TYPES = frozenset({"google_storage_bucket_iam_member", "google_storage_bucket_iam_binding"})
"""Resources that add bindings to a bucket's policy; those of one bucket are read as one policy."""
_ATTRIBUTES = ("policy", "policy_data")
_CLOUDFORMATION_TYPES = {
    "AWS::S3::BucketPolicy": (_S3, "PolicyDocument"),
    "AWS::KMS::Key": (_KMS, "KeyPolicy"),
    "AWS::KMS::ReplicaKey": (_KMS, "KeyPolicy"),
}
_UNDECIDED = frozenset({"resource_changes", "planned_values", "terraform_version", "Resources", "BucketPolicy"})
"""Fields of plans, states and templates, which may hold other policies too, and of a pair of policies."""
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
    of a plan or a state, and a CloudFormation template whose functions its buckets decide. In a document of another
    form, the only policy of a resource in it is taken. Of several policies the one
    for ``bucket``, and of ``kind``, is taken; a bucket's before a key's. Raises ParseError for text in it that is not
    JSON, GrammarError where several policies are left, and where bindings are those of other buckets.
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
    found = [*_terraform(value), *_cloudformation(value, bucket)]
    chosen = _chosen(found, kind, bucket)
    if not chosen and kind in (None, _GCS) and any(each.kind == _GCS for each in found):
        raise GrammarError(
            "a Terraform document with the bindings of other buckets alone",
            path="$",
            source=source,
            code=PolicyErrorCode.OTHER_BUCKETS,
        )
    if len(chosen) > 1:
        names = "Terraform document" if "Resources" not in value else "CloudFormation template"
        raise GrammarError(
            f"a {names} with {len(chosen)} policies",
            path="$",
            source=source,
            code=PolicyErrorCode.SEVERAL_POLICIES,
        )
    if not chosen:
        return value if _UNDECIDED & value.keys() else _embedded(value, source)
    return _inner(chosen[0], source) if isinstance(chosen[0], str) else chosen[0]


def _embedded(value: Mapping[str, Any], source: str) -> Any:
    """Return the only policy of a resource inside a document, or the document where it holds none."""
    found = embedded_policies(value)
    if len(found) > 1:
        raise GrammarError(
            f"a document with {len(found)} policies", path="$", source=source, code=PolicyErrorCode.SEVERAL_POLICIES
        )
    return found[0] if found else value


def _chosen(found: Sequence[_Candidate], kind: str | None, bucket: str) -> list[str | Mapping[str, Any]]:
    """Return the policies that are meant, each once."""
    left = [each for each in found if kind is None or each.kind == kind]
    if kind is None and any(each.kind != _KMS for each in left):
        left = [each for each in left if each.kind != _KMS]
    if any(each.bucket == bucket for each in left if bucket):
        left = [each for each in left if each.bucket == bucket]
    # Bindings name no bucket: those of another one would be judged as if they were of this one.
    left = [each for each in left if each.kind != _GCS or not bucket or each.bucket in ("", bucket)]
    texts = [each.policy if isinstance(each.policy, str) else compact_json(each.policy) for each in left]
    return [each.policy for number, each in enumerate(left) if texts.index(texts[number]) == number]


def _inner(text: str, source: str) -> Any:
    # One level: a string inside the string is no policy.
    return parse_json(text, source=f"the policy inside {source}" if source else "the policy inside the document")


def _terraform(value: Mapping[str, Any]) -> Iterator[_Candidate]:
    bindings: dict[str, list[Mapping[str, Any] | None]] = {}
    for resource_type, attributes in _resources(value):
        named = attributes.get("bucket")
        bucket = named.removeprefix("b/") if isinstance(named, str) else ""
        if resource_type in _BINDING_TYPES and attributes:
            bindings.setdefault(bucket, []).append(_binding(attributes))
        kind = _TERRAFORM_TYPES.get(resource_type)
        for name in _ATTRIBUTES if kind is not None else ():
            text = attributes.get(name)
            if isinstance(text, str) and text.strip():
                yield _Candidate(kind or "", bucket, text)
    for bucket, found in bindings.items():
        known = [each for each in found if each is not None]
        if len(known) == len(found):
            version = 3 if any("condition" in each for each in known) else 1
            yield _Candidate(_GCS, bucket, {"version": version, "bindings": known})


def _resources(value: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield type and attributes of the resources of a plan, else of a state as printed, else of a state file."""
    if "resource_changes" in value:
        for change in _list(value["resource_changes"]):
            yield str(change.get("type")), _mapping(_mapping(change.get("change")).get("after"))
        return
    waiting = [_mapping(_mapping(value.get(part)).get("root_module")) for part in ("planned_values", "values")]
    while waiting:
        module = waiting.pop()
        for resource in _list(module.get("resources")):
            yield str(resource.get("type")), _mapping(resource.get("values"))
        waiting += _list(module.get("child_modules"))
    for resource in _list(value.get("resources")):
        for instance in _list(resource.get("instances")):
            yield str(resource.get("type")), _mapping(instance.get("attributes"))


def _binding(attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a binding as a policy has it; None where a part of it is known only once the plan is applied."""
    role, members = attributes.get("role"), attributes.get("members", [attributes.get("member")])
    conditions = attributes.get("condition")
    if not isinstance(role, str) or not isinstance(members, list) or not isinstance(conditions, list):
        return None
    if not all(isinstance(each, str) for each in members):
        return None
    binding = {"role": role, "members": members}
    if not conditions:
        return binding
    condition = {name: text for name, text in _mapping(conditions[0]).items() if isinstance(text, str)}
    return {**binding, "condition": condition} if "expression" in condition else None


def _cloudformation(value: Mapping[str, Any], wanted: str) -> Iterator[_Candidate]:
    """Yield the policies of a template; one with a function that its buckets do not decide is left out."""
    resources = _mapping(value.get("Resources"))
    functions = Functions(resources, wanted)
    for resource in resources.values():
        kind, field = _CLOUDFORMATION_TYPES.get(str(_mapping(resource).get("Type")), ("", ""))
        properties = _mapping(_mapping(resource).get("Properties"))
        policy = properties.get(field)
        if isinstance(policy, Mapping):
            with suppress(UnknownFunctionError):
                evaluated = functions.evaluate(policy)
                yield _Candidate(kind, _bucket_of(properties, functions), evaluated)


def _bucket_of(properties: Mapping[str, Any], functions: Functions) -> str:
    """Return the bucket that a policy of a template is for; empty where the template does not decide it."""
    try:
        bucket = functions.evaluate(properties.get("Bucket"))
    except UnknownFunctionError:
        return ""
    return bucket if isinstance(bucket, str) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
