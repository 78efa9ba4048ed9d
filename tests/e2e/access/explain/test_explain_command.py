"""The arguments of ``explain`` and the text it prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harvester import explain_access
from harvester.errors import ExitCode, UsageError
from scripts.commands.installed_command import run
from tests.e2e.access.explain.granted_bucket import GrantedBucket, narrow_actions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def test_a_bucket_of_another_account_than_expected_is_refused(granted: GrantedBucket) -> None:
    ended = run("explain", granted.url, "--mode", "jobs", "--expected-bucket-owner", "210987654321")
    assert (ended.code, ended.out) == (ExitCode.ACCESS_DENIED, "")
    assert "belongs to account 123456789012\n  the expected owner is 210987654321" in ended.err


def test_both_paths_of_a_job_in_two_buckets_are_one_answer(granted: GrantedBucket, s3: S3Client) -> None:
    other = f"{granted.bucket}-out"
    s3.create_bucket(Bucket=other)
    report = explain_access([], "jobs", inputs=[f"{granted.url}/input/"], outputs=[f"s3://{other}/output/"])
    assert [each.target.bucket for each in report.explanations] == [granted.bucket, other]
    assert [each.verdict for each in report.explanations] == ["go", "no-go"]
    assert report.verdict == "no-go"


class TestCommand:
    def test_eighty_columns_and_one_screen_of_reasons(self, granted: GrantedBucket) -> None:
        narrow_actions(granted)
        ended = run("explain", granted.url, "--mode", "jobs")
        assert ended.code == 10
        assert ended.err.startswith("error: exit 10: ")
        lines = ended.out.splitlines()
        assert lines[0] == f"s3://{granted.bucket}: no-go"
        commands = [line for line in lines if "nimble-harvester policy apply" in line]
        assert len(commands) == 1
        unbreakable = max(len(f"arn:aws:s3:::{granted.bucket}/output/x") + 12, 80)
        assert all(len(line) <= unbreakable for line in lines if line not in commands)

    def test_the_chips_are_one_line_for_async(self, granted: GrantedBucket) -> None:
        ended = run("explain", f"{granted.url}/results/", "--mode", "async")
        assert "Test Connection belongs to jobs; here it would show: read ✗" in " ".join(ended.out.split())

    @pytest.mark.parametrize(
        ("arguments", "code", "word"),
        [
            (("s3://b-1/elsewhere/", "--mode", "jobs"), 2, "--input"),
            (("gs://b-1/", "--mode", "jobs"), 2, "Amazon S3 only"),
            (("file:///tmp/", "--mode", "async"), 2, "directory"),
            (("s3://B/", "--mode", "async"), 2, "bucket"),
            (("s3://b-1/", "--mode", "async", "--input", "in/"), 2, "--prefix"),
            (("--mode", "jobs", "--input", "in/"), 2, "exactly one LOCATION"),
            (("s3://b-1/x/", "--mode", "async", "--prefix", "y/"), 2, "names a prefix"),
            (("s3://b-1/", "--mode", "async", "--principal", "me"), 2, "IAM user"),
            (("--mode", "jobs"), 2, "no location"),
        ],
    )
    def test_bad_input_is_three_lines(self, arguments: tuple[str, ...], code: int, word: str) -> None:
        ended = run("explain", *arguments)
        assert ended.code == code
        assert word in ended.err
        assert ended.out == ""
        assert 2 <= len(ended.err.splitlines()) <= 3


def test_no_locations_is_refused() -> None:
    with pytest.raises(UsageError):
        explain_access([], "jobs")
