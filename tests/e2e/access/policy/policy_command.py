"""The ``policy`` command, and the arguments and statements that its tests share."""

from __future__ import annotations

from pathlib import Path

from scripts.commands import installed_command
from scripts.commands.installed_command import Ended

NIMBLE = "arn:aws:iam::744254827463:user/webit-uploader"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ASYNC = ("--mode", "async", "--bucket", "bkt", "--prefix", "out")
GUARD = {
    "Sid": "OrgOnly",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"],
    "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-abc"}},
}


def run(*arguments: str | Path, stdin: str = "", **variables: str) -> Ended:
    return installed_command.run("policy", *arguments, stdin=stdin, **variables)
