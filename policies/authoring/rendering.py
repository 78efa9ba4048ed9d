"""Render policies as Terraform, CloudFormation or shell commands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from policies.contracts import Target
from policies.language import PolicyDocument, compact_json, dump_json
from policies.policy_errors import ContractError, PolicyErrorCode

RenderedForm = Literal["json", "terraform", "cloudformation", "cli"]
"""``json``; ``terraform``: HCL; ``cloudformation``: a template in JSON; ``cli``: a shell script of aws or
gcloud."""


def render(
    form: RenderedForm,
    target: Target,
    policy: PolicyDocument | None,
    key_policy: PolicyDocument | None = None,
    *,
    whole: bool = False,
) -> str:
    """Return documents in a form; ``key_policy`` is a key's policy, or the statement to add to it.

    ``whole`` adds, for Terraform, the resource that sets the bucket's whole policy: it replaces every
    other statement. Raises ContractError where a form cannot express the document.
    """
    if form == "terraform":
        return _terraform(target, policy, key_policy, whole=whole)
    return {"json": _json, "cloudformation": _cloudformation, "cli": _shell}[form](target, policy, key_policy)


def _json(_target: Target, policy: PolicyDocument | None, key_policy: PolicyDocument | None) -> str:
    if policy is None or key_policy is None:
        return dump_json((policy or key_policy or _nothing()).value)
    name = "KeyPolicyStatement" if key_policy.fragment else "KeyPolicy"
    return dump_json({"BucketPolicy": policy.value, name: key_policy.value})


def _nothing() -> PolicyDocument:
    raise ContractError("nothing to print", code=PolicyErrorCode.NOTHING_TO_RENDER)


# Terraform


def _terraform(target: Target, policy: PolicyDocument | None, key_policy: PolicyDocument | None, *, whole: bool) -> str:
    blocks: list[str] = []
    if policy is not None and policy.kind == "gcs":
        blocks += [_iam_member(target, binding.value, at) for at, binding in enumerate(policy.bindings)]
    elif policy is not None:
        blocks.append(_policy_document("nimble_bucket", policy))
        if whole:
            blocks.append(
                'resource "aws_s3_bucket_policy" "nimble" {\n'
                "  # The bucket's whole policy: every statement that is not in the document is removed.\n"
                f"  bucket = {_hcl(target.bucket)}\n"
                "  policy = data.aws_iam_policy_document.nimble_bucket.json\n"
                "}\n"
            )
    if key_policy is not None:
        blocks.append(_policy_document("nimble_key", key_policy))
    return "\n".join(blocks)


def _policy_document(name: str, policy: PolicyDocument) -> str:
    lines = [f'data "aws_iam_policy_document" "{name}" {{', '  version = "2012-10-17"']
    for statement in policy.statements:
        lines += [
            "",
            "  statement {",
            f"    sid       = {_hcl(statement.sid or '')}",
            f"    effect    = {_hcl(statement.effect)}",
        ]
        lines += [
            f"    actions   = {_hcl_list(statement.actions)}",
            f"    resources = {_hcl_list(statement.resources)}",
            "",
        ]
        lines += ["    principals {", '      type        = "AWS"']
        lines += [f"      identifiers = {_hcl_list(statement.principals.aws)}", "    }", "  }"]
    return "\n".join([*lines, "}", ""])


def _iam_member(target: Target, binding: Mapping[str, Any], at: int) -> str:
    (member,) = binding["members"]
    lines = [
        f'resource "google_storage_bucket_iam_member" "nimble{at or ""}" {{',
        f"  bucket = {_hcl(target.bucket)}",
    ]
    lines += [f"  role   = {_hcl(binding['role'])}", f"  member = {_hcl(member)}"]
    if condition := binding.get("condition"):
        lines += ["", "  condition {", f"    title       = {_hcl(condition['title'])}"]
        lines += [f"    description = {_hcl(condition['description'])}"]
        lines += [f"    expression  = {_hcl(condition['expression'])}", "  }"]
    return "\n".join([*lines, "}", ""])


def _hcl(text: str) -> str:
    # What looks like a template of Terraform's is text.
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _hcl_policy(text: str) -> str:
    # In its policy documents the provider writes IAM's ${…} as &{…}.
    return _hcl(text.replace("${", "&{"))


def _hcl_list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_hcl_policy, texts))}]"


# CloudFormation


def _cloudformation(target: Target, policy: PolicyDocument | None, key_policy: PolicyDocument | None) -> str:
    if target.cloud == "gs":
        raise ContractError("CloudFormation knows no Google Cloud Storage", code=PolicyErrorCode.GCS_IN_CLOUDFORMATION)
    template: dict[str, Any] = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Access of Nimble to the bucket {target.bucket}",
    }
    if key_policy is not None:
        # A template that does not own a key cannot change it; Metadata is carried along as it is.
        name = "NimbleKeyPolicyStatement" if key_policy.fragment else "NimbleKeyPolicy"
        template["Metadata"] = {name: key_policy.value}
    resources = {}
    if policy is not None:
        resources["NimbleBucketPolicy"] = {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {"Bucket": target.bucket, "PolicyDocument": policy.value},
        }
    if not resources:
        raise ContractError(
            "CloudFormation sets a key's policy only where it owns the key",
            code=PolicyErrorCode.KEY_OUTSIDE_TEMPLATE,
        )
    template["Resources"] = resources
    return dump_json(template)


# Shell


def _shell(target: Target, policy: PolicyDocument | None, key_policy: PolicyDocument | None) -> str:
    lines = ["#!/bin/sh", "set -eu"]
    if policy is not None and policy.kind == "gcs":
        for binding in policy.bindings:
            lines += _add_binding(target, binding.value)
    elif policy is not None:
        lines += _put_bucket_policy(target, policy)
    if key_policy is not None:
        lines += _key_lines(target, key_policy)
    return "\n".join([*lines, ""])


def _put_bucket_policy(target: Target, policy: PolicyDocument) -> Iterator[str]:
    bucket = shlex.quote(target.bucket)
    yield "# put-bucket-policy sets the whole policy: one that is there must be merged with, not replaced."
    yield f"if found=$(aws s3api get-bucket-policy --bucket {bucket} --query Policy --output text 2>&1); then"
    yield "  echo 'the bucket has a policy: save it, then run nimble-harvester policy merge FILE' >&2"
    yield "  exit 1"
    yield "fi"
    yield 'case "$found" in'
    yield "  *NoSuchBucketPolicy*) ;;"
    yield "  *) printf '%s\\n' \"$found\" >&2; exit 1 ;;"
    yield "esac"
    yield f"aws s3api put-bucket-policy --bucket {bucket} --policy {shlex.quote(compact_json(policy.value))}"


def _key_lines(target: Target, key_policy: PolicyDocument) -> Iterator[str]:
    key = shlex.quote(target.key_arn or "KEY_ARN")
    if key_policy.fragment:
        yield "# The key keeps its policy; this statement is to be added to it:"
        yield f"#   aws kms get-key-policy --key-id {key} --query Policy --output text >key-policy.json"
        yield "#   nimble-harvester policy merge key-policy.json (with the same flags)"
        for line in dump_json(key_policy.value).splitlines():
            yield f"# {line}"
    else:
        yield "# This sets the key's whole policy: every statement that is not in it is removed."
        yield f"aws kms put-key-policy --key-id {key} --policy {shlex.quote(compact_json(key_policy.value))}"


def _add_binding(target: Target, binding: Mapping[str, Any]) -> Iterator[str]:
    command = f"gcloud storage buckets add-iam-policy-binding {shlex.quote(f'gs://{target.bucket}')}"
    for member in binding["members"]:
        line = f"{command} --member={shlex.quote(member)} --role={shlex.quote(binding['role'])}"
        condition = binding.get("condition")
        if condition is None:
            yield f"{line} --condition=None"
            continue
        delimiter = next(each for each in ",;|~^#" if not any(each in text for text in condition.values()))
        prefix = "" if delimiter == "," else f"^{delimiter}^"
        fields = delimiter.join(f"{name}={condition[name]}" for name in ("expression", "title", "description"))
        yield f"{line} --condition={shlex.quote(prefix + fields)}"


# Events


def events_script(target: Target, queue: str, documents: Mapping[str, Any], *, merged: bool) -> str:
    """Return a shell script that puts the documents of ``notifications.events_documents`` on S3 and SQS.

    It replaces nothing: it stops where the queue already has a policy, and, unless ``merged`` states that they are in
    the documents, where the bucket has notifications.
    """
    *_, region, account, name = queue.split(":")
    sqs = f"aws sqs --region {shlex.quote(region)}"
    bucket = shlex.quote(target.bucket)
    # An attribute is text, also where it holds JSON.
    attributes = json.dumps({"Policy": compact_json(documents["QueuePolicy"])})
    (statement,) = documents["QueuePolicy"]["Statement"]
    configuration = compact_json(documents["NotificationConfiguration"])
    address = f"{sqs} get-queue-url --queue-name {name} --queue-owner-aws-account-id {account}"
    policy = f'{sqs} get-queue-attributes --queue-url "$queue" --attribute-names Policy'
    # The queue first: S3 takes no notification for a queue it may not send to.
    lines = [
        "#!/bin/sh",
        "set -eu",
        f"queue=$({address} --query QueueUrl --output text)",
        f"found=$({policy} --query Attributes.Policy --output text)",
        'case "$found" in',
        f'  None) {sqs} set-queue-attributes --queue-url "$queue" --attributes {shlex.quote(attributes)} ;;',
        f"""  *'"{statement["Sid"]}"'*'"{target.bucket_arn}"'*) ;;""",
        "  *)",
        "    echo 'the queue already has a policy: add the statement of QueuePolicy to it' >&2",
        "    exit 1",
        "    ;;",
        "esac",
    ]
    if not merged:
        lines += [
            f"found=$(aws s3api get-bucket-notification-configuration --bucket {bucket} --output json)",
            'if [ -n "$found" ]; then',
            "  echo 'the bucket has notifications: save them, and add --current FILE' >&2",
            "  exit 1",
            "fi",
        ]
    lines.append(
        f"aws s3api put-bucket-notification-configuration --bucket {bucket}"
        f" --notification-configuration {shlex.quote(configuration)}"
    )
    return "\n".join([*lines, ""])
