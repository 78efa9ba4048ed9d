"""The live checks themselves, on moto in place of a real bucket."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

COMMAND = [sys.executable, "-m", "scripts.live.run_live_checks", "--yes"]
ROOT = Path(__file__).parents[3]


def run_checks(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        COMMAND,
        cwd=ROOT,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_every_check_passes_and_nothing_remains(s3_bucket: str, s3: S3Client) -> None:
    ended = run_checks(NIMBLE_HARVESTER_LIVE_LOCATION=f"s3://{s3_bucket}/shared")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "removed; 0 objects remain" in ended.stdout
    assert "about $0.0" in ended.stdout
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=s3_bucket).get("Contents", ())] == []


def test_it_runs_neither_without_a_location_nor_in_ci() -> None:
    assert "NIMBLE_HARVESTER_LIVE_LOCATION is not set" in run_checks().stderr
    refused = run_checks(NIMBLE_HARVESTER_LIVE_LOCATION="s3://b/p/", CI="true")
    assert (refused.returncode, "CI is set" in refused.stderr) == (1, True)
