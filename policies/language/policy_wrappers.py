"""Take a policy out of what tools print around it: a JSON string, an API answer, a Terraform plan or state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.language.strict_json import parse_json
from policies.policy_errors import GrammarError, PolicyErrorCode

_TERRAFORM_TYPES = frozenset(
    {"aws_s3_bucket_policy", "aws_s3_bucket", "aws_kms_key_policy", "aws_kms_key", "google_storage_bucket_iam_policy"}
)
_ATTRIBUTES = ("policy", "policy_data")


def unwrap(value: Any, *, source: str = "") -> Any:
    """Return the policy inside ``value``, or ``value`` where it is no known wrapper.

    Known are a policy as a JSON string, the answers of get-bucket-policy and get-key-policy, and ``terraform
    show -json`` of a plan or a state. Raises ParseError for text in it that is not JSON, GrammarError for a
    plan or state with several policies.
    """
    if isinstance(value, str):
        return _inner(value, source)
    if not isinstance(value, Mapping) or "Statement" in value or "bindings" in value:
        return value
    if isinstance(value.get("Policy"), str):
        return _inner(value["Policy"], source)
    found = list(dict.fromkeys(_terraform(value)))
    if len(found) > 1:
        raise GrammarError(
            f"a Terraform document with {len(found)} policies",
            path="$",
            source=source,
            code=PolicyErrorCode.SEVERAL_POLICIES,
        )
    return _inner(found[0], source) if found else value


def _inner(text: str, source: str) -> Any:
    # One level: a string inside the string is no policy.
    return parse_json(text, source=f"the policy inside {source}" if source else "the policy inside the document")


def _terraform(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield the policies of a plan, else of a state as printed, else of a state file."""
    for change in _list(value.get("resource_changes")):
        if change.get("type") in _TERRAFORM_TYPES:
            yield from _policies(_mapping(change.get("change")).get("after"))
    if "resource_changes" not in value:
        yield from _modules(_mapping(_mapping(value.get("values")).get("root_module")))
        for resource in _list(value.get("resources")):
            if resource.get("type") in _TERRAFORM_TYPES:
                for instance in _list(resource.get("instances")):
                    yield from _policies(instance.get("attributes"))


def _modules(module: Mapping[str, Any]) -> Iterator[str]:
    waiting = [module]
    while waiting:
        one = waiting.pop()
        for resource in _list(one.get("resources")):
            if resource.get("type") in _TERRAFORM_TYPES:
                yield from _policies(resource.get("values"))
        waiting += _list(one.get("child_modules"))


def _policies(values: Any) -> Iterator[str]:
    for name in _ATTRIBUTES:
        text = _mapping(values).get(name)
        if isinstance(text, str) and text.strip():
            yield text


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
