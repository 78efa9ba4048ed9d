"""The commands that carry out fixes: of the AWS and Google command lines, ``policy apply`` and ``policy merge``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harvester.cli.shared.next_steps.fix_texts import fix_text
from harvester.cli.shared.next_steps.step_values import PROGRAM
from harvester.text import masked
from policies import POLICY_FIXES, DesiredState, Finding, Fix, FixAction, MergeError

if TYPE_CHECKING:
    from harvester.access import DeliveryTarget, Explanation
    from harvester.sessions import StoreSettings

_OWN = f"{PROGRAM} "
_KMS = "aws kms "


def setting_commands(fix: Fix) -> tuple[str, ...]:
    """Return the commands that change a setting, in the order to run them; none for a fix of a policy."""
    bucket = shlex.quote(fix["bucket"])
    match fix.action:
        case FixAction.SET_OWNERSHIP:
            rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
            return (f"aws s3api put-bucket-ownership-controls --bucket {bucket} --ownership-controls {_json(rules)}",)
        case FixAction.ENCRYPT_WITH_SSE_S3:
            return (_encryption(bucket, {"SSEAlgorithm": "AES256"}),)
        case FixAction.ENCRYPT_WITH_KEY:
            default = {"SSEAlgorithm": fix["algorithm"], "KMSMasterKeyID": fix["key"]}
            return (_encryption(bucket, default, bucket_key=bool(fix["bucket_key"])),)
        case FixAction.ENABLE_KEY | FixAction.RESTORE_KEY:
            named = f"--key-id {fix['key']} --region {fix['region']}"
            enable = f"aws kms enable-key {named}"
            restored = fix.action is FixAction.RESTORE_KEY
            return (f"aws kms cancel-key-deletion {named}", enable) if restored else (enable,)
        case FixAction.SET_PAYER if fix["cloud"] == "gs":
            return (f"gcloud storage buckets update gs://{bucket} --no-requester-pays",)
        case FixAction.SET_PAYER:
            payer = _json({"Payer": "BucketOwner"})
            return (f"aws s3api put-bucket-request-payment --bucket {bucket} --request-payment-configuration {payer}",)
        case FixAction.SET_UNIFORM_ACCESS:
            return (f"gcloud storage buckets update gs://{bucket} --uniform-bucket-level-access",)
        case _:
            return ()


def _encryption(bucket: str, default: dict[str, str], *, bucket_key: bool = False) -> str:
    rule: dict[str, object] = {"ApplyServerSideEncryptionByDefault": default}
    if bucket_key:
        rule["BucketKeyEnabled"] = True
    option = f"--server-side-encryption-configuration {_json({'Rules': [rule]})}"
    return f"aws s3api put-bucket-encryption --bucket {bucket} {option}"


def _json(value: object) -> str:
    return shlex.quote(json.dumps(value))


def change_flags(finding: Finding, key_arn: str | None = None) -> tuple[str, ...] | None:
    """Return the flags with which ``policy apply`` or ``merge`` carries out a fix; None where they do not."""
    fix = finding.fix
    if fix.action not in POLICY_FIXES and fix.action is not FixAction.READ_PROJECT_POLICY:
        return None
    if fix.action is FixAction.REMOVE_STATEMENT and finding.document == "kms" and key_arn:
        # ``policy apply`` removes statements of the bucket's policy alone.
        return None
    flags = [f"--kms-key {key_arn}"] if finding.document == "kms" and key_arn else []
    match fix.action:
        case FixAction.EXEMPT:
            flags.append("--exempt")
        case FixAction.NARROW:
            flags.append("--narrow")
        case FixAction.CORRECT:
            flags.append("--correct")
        case FixAction.REMOVE_STATEMENT:
            flags += (f"--without-statement {shlex.quote(each)}" for each in fix["statement"].splitlines())
        case FixAction.REMOVE_PRINCIPAL:
            flags.append(f"--without-principal {shlex.quote(fix['principal'])}")
    return tuple(flags)


def refusal_step(refused: MergeError) -> str:
    """Return what to do about a change that the cloud would refuse: the fix of the finding that it is refused for."""
    if refused.finding is None:
        return ""
    flags = change_flags(refused.finding)
    return f"run the same command with {' '.join(flags)}" if flags else fix_text(refused.finding)


def merge_command(file: str, options: Sequence[str], desired: DesiredState | None) -> str:
    """Return the ``policy merge`` that makes a change; empty for none."""
    if desired is None:
        return ""
    return " ".join((f"{PROGRAM} policy merge", shlex.quote(file), *options, *_desired_flags(desired)))


def _desired_flags(desired: DesiredState) -> Iterator[str]:
    """Yield the flags of ``policy apply`` and ``policy merge`` that ask for a change."""
    for flag, wanted in (("correct", desired.correct), ("narrow", desired.narrow), ("exempt", desired.exempt)):
        if wanted:
            yield f"--{flag}"
    yield from (f"--without-statement {shlex.quote(each)}" for each in desired.without_statements)
    yield from (f"--without-principal {shlex.quote(each)}" for each in desired.without_principals)


def finding_command(
    explanation: Explanation, finding: Finding, settings: StoreSettings, kms_profile: str | None
) -> str:
    """Return the commands that carry out the fix of one finding as one line of a shell; empty where there are none."""
    commands = setting_commands(finding.fix)
    flags = change_flags(finding, explanation.report.proof.target.key_arn)
    if flags is not None:
        commands = (policy_apply_command(explanation.target, flags),)
    return " && ".join(with_connection(each, settings, kms_profile) for each in commands)


def advised_commands(
    explanation: Explanation, settings: StoreSettings, kms_profile: str | None = None
) -> tuple[str, ...]:
    """Return the fewest commands that carry out the advised fixes: those of settings, then one ``policy apply``."""
    commands = list(_all_commands(explanation))
    return tuple(with_connection(each, settings, kms_profile) for each in commands)


def _all_commands(explanation: Explanation) -> Iterator[str]:
    yield from dict.fromkeys(command for each in explanation.findings for command in setting_commands(each.fix))
    desired = explanation.advised_changes
    if desired:
        key_arn = explanation.report.proof.target.key_arn
        of_key = [f"--kms-key {key_arn}"] if "kms" in desired and key_arn else []
        flags = dict.fromkeys((*of_key, *(flag for each in desired.values() for flag in _desired_flags(each))))
        yield policy_apply_command(explanation.target, tuple(flags))


def policy_apply_command(target: DeliveryTarget, flags: Sequence[str] = ()) -> str:
    """Return the ``policy apply`` that grants the contract at a target."""
    return " ".join((f"{_OWN}policy apply", target_flags(target), *flags))


def target_flags(target: DeliveryTarget) -> str:
    """Return the arguments that name a target: the location, the mode, the prefixes."""
    location, contract = target.location, target.contract
    words = [location.url, f"--mode {contract.mode}"]
    documented = {role.name: role.documented for role in contract.prefixes}
    if len(target.prefixes) > 1:
        words += [
            f"--{name} {shlex.quote(prefix)}" for name, prefix in target.prefixes.items() if prefix != documented[name]
        ]
    elif target.role_of_location() not in target.prefixes:
        ((name, prefix),) = target.prefixes.items()
        words = [f"{location.scheme}://{target.bucket}", words[1], f"--{name} {shlex.quote(prefix)}"]
    else:
        words[0] = shlex.quote(words[0])
    if contract.principal_inferred:
        words.append(f"--principal {contract.principal}")
    return " ".join(words)


def with_connection(command: str, settings: StoreSettings, kms_profile: str | None = None) -> str:
    """Return a command with the connection options of the run that advises it; variables stay in the environment.

    The password of an endpoint is not shown: it has to be filled in.
    """
    if not command.startswith((_OWN, "aws ")):
        return command
    flags = {"--profile": settings.profile, "--endpoint-url": settings.endpoint_url, "--region": settings.region}
    if command.startswith(_OWN):
        flags |= {"--kms-profile": kms_profile, "--expected-bucket-owner": settings.expected_bucket_owner}
    elif command.startswith(_KMS):
        flags["--profile"] = kms_profile or settings.profile
    words = shlex.split(command)
    given = (f"{name} {shlex.quote(masked(value))}" for name, value in flags.items() if value and name not in words)
    return " ".join((command, *given))
