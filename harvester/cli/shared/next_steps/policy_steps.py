"""What to do after an error of a policy, of `policies`, or of a bucket's settings."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import MappingProxyType

from harvester.cli.shared.next_steps.cloud_commands import save_notifications
from harvester.cli.shared.next_steps.step_values import RUN_AGAIN, StepText, StepValues
from harvester.error_codes import ErrorCode
from policies import PolicyError, PolicyErrorCode


def _target(values: StepValues) -> str:
    """Return the arguments that name a bucket, a mode and prefixes."""
    named = (str(each).partition("=") for each in values.get("prefixes", ()))
    prefixes = (f"--{name} {shlex.quote(prefix)}" for name, _, prefix in named if prefix)
    return " ".join((str(values["bucket"]), f"--mode {values['mode']}", *prefixes))


def _flags(values: StepValues, name: str, joined: str) -> str:
    return joined.join(f"--{each}" for each in values.get(name, ()))


_P = PolicyErrorCode
_POLICY_STEPS: Mapping[str, str] = MappingProxyType(
    {
        _P.NOT_DOCUMENTED: "leave out --as-documented",
        _P.NOT_AN_ACCOUNT: "aws sts get-caller-identity --query Account",
        _P.KEY_OF_ANOTHER_ACCOUNT: "use --account {account}, else the key could not be changed any more",
        _P.DOCUMENTED_NOT_NARROWED: "leave out --as-documented, or the prefix",
        _P.BARE_STATEMENT: "give the whole policy: aws kms get-key-policy, or aws s3api get-bucket-policy",
        _P.OTHER_CLOUD: "use --cloud {cloud}",
        _P.UNKNOWN_ABILITY: "use --can {known}, or some of them",
        _P.NOT_A_READER: "aws sts get-caller-identity --query Arn",
        _P.NOT_A_QUEUE_ARN: "aws sqs get-queue-attributes --queue-url URL --attribute-names QueueArn",
        _P.NOT_A_SUBSCRIPTION: "gcloud pubsub subscriptions list --format 'value(name)'",
        _P.NOTIFICATIONS_INVALID: save_notifications("BUCKET"),
        _P.KEY_ON_GCS: "leave out --kms-key",
        _P.NOT_A_KEY_ARN: "aws kms describe-key --key-id {alias} --query KeyMetadata.Arn",
        _P.NOT_INHERITED: "gcloud projects get-ancestors-iam-policy PROJECT --format json >inherited.json",
        _P.NOTIFICATIONS_OVERLAP: (
            "let that entry send to an SNS topic with both as subscribers, or turn on EventBridge, and subscribe the "
            "queue there"
        ),
        _P.FIFO_QUEUE: "make a standard queue: order and duplicates do not matter here",
        _P.QUEUE_IN_ANOTHER_REGION: "make the queue in the bucket's region, or pass the events on with EventBridge",
        _P.ESCAPES_UNKNOWN: 'set "Version": "2012-10-17" after checking that no value holds ${{…}}',
        _P.NO_SUCH_STATEMENT: "name one by its Sid, or by its number from 1",
        _P.PRINCIPAL_NOT_NAMED: "write the principal exactly as the policy has it",
        _P.NOTHING_TO_RENDER: "ask for the bucket's policy, or the key's",
        _P.GCS_IN_CLOUDFORMATION: "use --as terraform or --as cli",
        _P.KEY_OUTSIDE_TEMPLATE: "print the statement with --as json, and put it into the template's AWS::KMS::Key",
        _P.NOT_A_MEMBER: "take the address from the service account's page in the cloud console",
        _P.NOT_AN_IAM_USER: "leave the principal out to use the documented one",
        _P.WILDCARD_IN_PRINCIPAL: "name the one user",
        _P.PREFIX_OF_ANOTHER_BUCKET: "write {bucket}/PREFIX/, or only PREFIX/",
        _P.PREFIX_WITH_SPACE: "use {meant}",
        _P.PREFIX_TOO_LONG: "use a shorter prefix",
        _P.KEY_IN_ANOTHER_PARTITION: "deliver into a bucket of a commercial AWS region",
        _P.NOT_A_CONDITION_VALUE: "leave the key out if the request does not carry it, or name it unknown",
        _P.UNKNOWN_OPERATOR: "compare with IAM's list of operators",
        _P.UNKNOWN_VERSION: 'write "Version": "2012-10-17"',
        _P.NO_EFFECT: 'write "Effect": "Allow" or "Deny"',
        _P.IDENTITY_POLICY: 'add "Principal": {{"AWS": "ARN"}} to the statement',
        _P.TWO_DOCUMENTS: "save each of the two to a separate file",
        _P.CLOUDFORMATION_TEMPLATE: "give the value of PolicyDocument without functions, or the policy the bucket has",
        _P.NO_STATEMENT: 'a policy is {{"Version": …, "Statement": […]}}',
        _P.NO_BINDINGS: "gcloud storage buckets get-iam-policy gs://BUCKET --format json >policy.json",
        _P.OTHER_BUCKETS: "give the document that sets the policy of this bucket",
        _P.NO_POLICY_INSIDE: "apply the plan, then give the policy that the bucket has",
        _P.SEVERAL_POLICIES: "save the policy of the one bucket or key alone",
        _P.NO_PRINCIPAL: 'write {{"AWS": "ARN"}}',
        _P.UNKNOWN_PRINCIPAL_KIND: "use AWS, Service, Federated or CanonicalUser",
        _P.NOT_UTF8: "save the file as UTF-8",
        _P.BYTE_ORDER_MARK: "save the file as UTF-8 without BOM",
        _P.TEXT_AFTER_DOCUMENT: "keep one document per file",
        _P.COMMENT_IN_JSON: "delete the comment, and put back what it stands for",
        _P.REPEATED_KEY: "keep one of the two",
        _P.TRAILING_COMMA: "delete the comma after the last one",
        _P.TERRAFORM_SOURCE: "give the policy itself, as the bucket has it",
        _P.YAML_SOURCE: "save it in the form of JSON",
        _P.CURLY_QUOTE: 'replace curly quotes by "; word processors and chat programs make them',
        _P.NOT_JSON: "correct the JSON there",
        _P.NOT_A_POLICY: "compare with what nimble-harvester policy show prints",
    }
)
"""What to do after an error of `policies`: a text with the names of parameters in braces."""


def _policy(values: StepValues) -> str:
    match values.get("policy_error"):
        case _P.PREFIX_UNKNOWN:
            return "use " + " and ".join(f"--{each}" for each in str(values.get("known", "")).split(","))
        case _P.BUCKET_NAME_INVALID:
            return f"use --bucket {values['meant']}" if values.get("meant") else "take the name from the cloud console"
        case _P.NO_SUCH_CONTRACT if values.get("refused"):
            return "deliver jobs to an S3 bucket, or use --mode async"
        case _P.NO_SUCH_CONTRACT:
            return "use --mode async or --mode jobs"
        case code:
            return _POLICY_STEPS.get(str(code or ""), "").format_map(values)


def policy_step(error: PolicyError) -> str:
    """Return what to do after an error of `policies`."""
    return _policy(StepValues(error.as_parameters()))


_C = ErrorCode
ACCESS_STEPS: Mapping[ErrorCode, StepText] = MappingProxyType(
    {
        _C.CONTRACT_INVALID: _policy,
        _C.DOCUMENT_INVALID: _policy,
        _C.NO_LOCATION: "nimble-harvester explain s3://BUCKET --mode {mode}",
        _C.PREFIX_WITHOUT_BUCKET: lambda values: (
            f"write --{values['role']} s3://BUCKET/{str(values.get('subject', '')).lstrip('/')}"
        ),
        _C.PREFIX_NAMED_TWICE: "write {bucket} and the prefixes as flags",
        _C.PREFIX_OF_ANOTHER_MODE: lambda values: "use " + _flags(values, "known", " and "),
        _C.PREFIX_ROLE_UNKNOWN: lambda values: (
            "write " + ", or ".join(f"--{each} {values['subject']}" for each in values.get("roles", ()))
        ),
        _C.SEVERAL_BUCKETS: lambda values: " && ".join(
            f"nimble-harvester policy apply {shlex.quote(each)} --mode {values['mode']}"
            for each in values.get("locations", ())
        ),
        _C.KEY_IN_ANOTHER_REGION: "name a key of {region}",
        _C.KEY_MANAGED_BY_AWS: "aws kms create-key --region {region}   (and make it the bucket's default)",
        _C.POLICY_OF_ANOTHER_ACCOUNT: "run the same command with a profile of that account: --profile NAME",
        _C.POLICY_OF_ANOTHER_CLOUD: "give the policy of the bucket that results are delivered to",
        _C.POLICY_READ_DENIED: (
            "nimble-harvester policy show --for reader --can apply --mode {mode} --bucket {bucket}"
        ),
        _C.POLICY_UNREADABLE: f"{RUN_AGAIN} with credentials that may read and change it",
        _C.POLICY_WRITE_DENIED: (
            "run it with credentials that may change it, or give their owner: nimble-harvester policy show"
        ),
        _C.POLICY_WRITE_UNANSWERED: f"{RUN_AGAIN}: what is written already is not written twice",
        _C.POLICY_WRITE_CONTENDED: RUN_AGAIN,
        _C.POLICY_REJECTED: "nimble-harvester policy check   (with the policy that is there)",
        _C.POLICY_CHANGED: f"{RUN_AGAIN}: it plans anew",
        _C.POLICY_OVERWRITTEN: f"read what is there now, then {RUN_AGAIN}",
        _C.NO_DENY_STATEMENTS: "leave --without-statement out",
        _C.NO_SUCH_STATEMENT: "name one by its Sid, or by its number from 1",
        _C.UNIFORM_ACCESS_REQUIRED: "gcloud storage buckets update {subject} --uniform-bucket-level-access",
        _C.BACKUP_NOT_WRITTEN: "give --backup-dir a directory that can be written",
        _C.BACKUP_INVALID: "name another file with --backup",
        _C.BACKUP_OF_ANOTHER_BUCKET: "nimble-harvester policy revert {resource} --backup {subject}",
        _C.NO_BACKUP: "name the file with --backup FILE, or its folder with --backup-dir DIR",
        _C.NO_SUCH_BACKUP: "ls {folder}",
        _C.SNAPSHOT_INVALID: "save the settings again with nimble-harvester explain --save DIR",
        _C.SNAPSHOT_MISSING: lambda values: f"nimble-harvester explain {_target(values)} --save {values['directory']}",
        _C.SNAPSHOT_NOT_WRITTEN: "give --save another directory",
    }
)
"""What to do after an error of a policy, a backup or a snapshot."""
