"""What to do after an error of the options and arguments of a command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import MappingProxyType

from harvester.cli.shared.next_steps.step_values import StepText, StepValues
from harvester.error_codes import ErrorCode

_ACK = "nimble-harvester cat DEST --consumer NAME --ack"


def _alternatives(values: StepValues) -> str:
    return " or ".join(values.get("options", ()))


def _inapplicable(values: StepValues) -> str:
    option = values.get("option", "the option")
    if values.get("instead"):
        return f"use {values.get('instead')} instead of {option}"
    needs = f"add {values.get('needs')}, or " if values.get("needs") else ""
    return f"{needs}leave out {option}"


def _saved_policy(values: StepValues) -> str:
    """Return the command that saves the policy of the bucket that was given in place of a file."""
    scheme, _, rest = str(values.get("subject", "")).partition("://")
    bucket = shlex.quote(rest.partition("/")[0] or "BUCKET")
    if scheme == "gs":
        return f"gcloud storage buckets get-iam-policy gs://{bucket} --format json >policy.json"
    return f"aws s3api get-bucket-policy --bucket {bucket} --query Policy --output text >policy.json"


def _longer_limit(values: StepValues) -> str:
    option = str(values.get("limit", "max_bytes")).replace("_", "-")
    return f"check that it is the right file; if it is, give a larger --{option}"


_C = ErrorCode
OPTION_STEPS: Mapping[ErrorCode, StepText] = MappingProxyType(
    {
        _C.OPTION_REQUIRED: lambda values: f"add {_alternatives(values)}",
        _C.OPTIONS_EXCLUSIVE: lambda values: f"give one alone: {_alternatives(values)}",
        _C.OPTION_INAPPLICABLE: _inapplicable,
        _C.OPTION_REPEATED: lambda values: f"run the command once for each {values.get('option', 'value')}",
        _C.OPTION_VALUE_INVALID: lambda values: f"for example {values.get('example', 'as --help shows')}",
        _C.DIRECTORY_REQUIRED: lambda values: (
            f"use {values['subject']}"
            if values.get("subject")
            else "name a directory, e.g. ./results, or . for the current one"
        ),
        _C.FOLDER_MISSING: "mkdir -p {folder}",
        _C.STANDARD_INPUT_TWICE: "save one of them to a file",
        _C.LOCATION_WITHOUT_DATE: "write for example {subject}{{date:%Y/%m/%d}}/, or leave out --days",
        _C.LOCATION_WITH_DATES: "name the folder before the dates: {base}",
        _C.OUTPUT_NEEDS_A_QUEUE: "nimble-harvester sync {subject} --export-to {output}   (run it on a schedule)",
        _C.POLICY_FILE_REQUIRED: _saved_policy,
        _C.FILE_TOO_LONG: _longer_limit,
        _C.SNAPSHOT_OF_ONE_BUCKET: "explain each bucket in a separate run",
        _C.ACKNOWLEDGEMENT_UNSAFE: f"{_ACK} > FILE, or {_ACK} -- CMD",
        _C.NO_SUCH_SCHEMA: "nimble-harvester schema",
        _C.NO_LOCATION_TO_TEST: "nimble-harvester test s3://BUCKET/output/ --access write",
        _C.CONSENT_NEEDED: lambda values: "" if values.get("refused") else "run the same command with --yes",
    }
)
"""What to do after an error of options and arguments."""
