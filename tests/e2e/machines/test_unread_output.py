"""Commands whose exit code is the answer keep it when their output is not read, and name a full disk."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harvester.errors import ExitCode
from scripts.commands.installed_command import COMMAND, environment, run

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def unread(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run the command into a pipe whose reader has closed it."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [COMMAND, *map(str, arguments)], stdout=writing, stderr=subprocess.PIPE, env=environment(), check=False
        )
    finally:
        os.close(writing)


def test_verdicts_on_a_bucket_stand(s3_bucket: str, s3: S3Client, tmp_path: Path) -> None:
    url = f"s3://{s3_bucket}"
    assert unread("explain", url, "--mode", "jobs").returncode == ExitCode.DIFFERENCE
    assert unread("test", f"{url}-not").returncode == ExitCode.NO_SUCH_BUCKET
    assert unread("policy", "diff", url, "--mode", "jobs").returncode == ExitCode.DIFFERENCE
    applied = unread("policy", "apply", url, "--mode", "jobs", "--yes", "--backup-dir", tmp_path)
    assert (applied.returncode, applied.stderr) == (ExitCode.OK, b"")
    assert "NimbleListBucket" in s3.get_bucket_policy(Bucket=s3_bucket)["Policy"]


@pytest.mark.parametrize("form", ["table", "json", "jsonl"])
def test_the_verdict_on_a_document_stands(tmp_path: Path, form: str) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text(run("policy", "show", "--mode", "async", "--bucket", "bkt").out, encoding="utf-8")
    asked = (policy, "--mode", "jobs", "--bucket", "bkt")
    assert unread("policy", "check", *asked, "--format", form).returncode == ExitCode.DIFFERENCE
    assert unread("policy", "diff", *asked).returncode == ExitCode.DIFFERENCE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux alone has a device that is always full")
def test_a_full_disk_is_named() -> None:
    with Path("/dev/full").open("w") as full:
        shown = subprocess.run(
            [COMMAND, "policy", "show", "--mode", "async", "--bucket", "bkt"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            check=False,
        )
    assert shown.returncode == ExitCode.DESTINATION
    assert "No space left on device" in shown.stderr
    assert "a bug" not in shown.stderr
