"""``explain`` of saved policies and settings, and against a baseline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harvester.errors import ExitCode
from scripts.commands.installed_command import run
from scripts.commands.output_schemas import validate
from tests.e2e.access.explain.granted_bucket import PUBLIC, GrantedBucket, make_public, narrow_actions, own_by


class TestFiles:
    def test_saved_files_explain_the_same_without_a_network(self, granted: GrantedBucket, tmp_path: Path) -> None:
        granted.encrypt(granted.new_key())
        make_public(granted)
        live = run("explain", granted.url, "--mode", "jobs", "--save", tmp_path, "--format", "json")
        assert live.code == 10
        validate("explain", live.document)
        folder = tmp_path / granted.bucket
        validate("settings", json.loads((folder / "settings.json").read_text()))
        files = {
            "--policy": folder / "bucket-policy.json",
            "--key-policy": folder / "key-policy.json",
            "--settings": folder / "settings.json",
        }
        options = [text for pair in files.items() for text in pair]
        granted.proxy.kill()
        offline = run("explain", granted.url, "--mode", "jobs", *options, "--format", "json", AWS_ACCESS_KEY_ID="")
        assert offline.document == live.document
        assert offline.code == 10

    def test_a_policy_alone_leaves_the_settings_unknown(self, granted: GrantedBucket, tmp_path: Path) -> None:
        path = tmp_path / "policy.json"
        path.write_text(json.dumps(granted.policy()))
        ended = run("explain", granted.url, "--mode", "jobs", "--policy", path, "--format", "json")
        assert ended.code == 0
        assert ended.document["verdict"] == "go"
        assert {each["reason"] for each in ended.document["explanations"][0]["unknown"]} == {"not asked"}
        strict = run("explain", granted.url, "--mode", "jobs", "--policy", path, "--strict")
        assert strict.code == 10

    def test_the_baseline_names_what_changed_and_what_is_lost(self, granted: GrantedBucket, tmp_path: Path) -> None:
        saved = run("explain", granted.url, "--mode", "jobs", "--save", tmp_path)
        assert saved.code == 0, saved.out
        same = run("explain", granted.url, "--mode", "jobs", "--baseline", tmp_path)
        assert same.code == 0
        assert "nothing changed" in same.out
        narrow_actions(granted)
        own_by("ObjectWriter")(granted)
        granted.put({**PUBLIC, "Resource": f"arn:aws:s3:::{granted.bucket}/*"})
        ended = run("explain", granted.url, "--mode", "jobs", "--baseline", tmp_path, "--format", "json")
        assert ended.code == 10
        since = ended.document["explanations"][0]["since"]
        changes = {each["where"]: (each["before"], each["after"]) for each in since["changes"]}
        assert changes["Object Ownership"] == ("BucketOwnerEnforced", "ObjectWriter")
        assert "bucket policy, NimbleReadWriteOutputPrefix, Action" in changes
        assert changes["bucket policy, Site"][0] == ""
        assert since["lost"] == ["s3:AbortMultipartUpload on output", "s3:ListMultipartUploadParts on output"]

    def test_a_harmless_change_since_the_baseline_is_noticed(self, granted: GrantedBucket, tmp_path: Path) -> None:
        run("explain", granted.url, "--mode", "jobs", "--save", tmp_path)
        granted.s3.put_bucket_versioning(Bucket=granted.bucket, VersioningConfiguration={"Status": "Enabled"})
        ended = run("explain", granted.url, "--mode", "jobs", "--baseline", tmp_path)
        assert ended.code == 10
        assert "versioning was not set, is Enabled" in ended.out

    @pytest.mark.parametrize(
        ("text", "code", "word"),
        [
            ("{", 7, "line 1"),
            ("[]", 7, "no saved settings"),
            (
                '{"schema": "urn:nimble-harvester:settings:v1", "cloud": "s3", "bucket": "other", "settings": {}}',
                2,
                "other",
            ),
            (
                '{"schema": "urn:nimble-harvester:settings:v1", "cloud": "s3", "bucket": "mine", "settings": {"ownership": 3}}',  # noqa: E501
                7,
                "ownership",
            ),
        ],
    )
    def test_files_that_are_not_what_they_claim(self, tmp_path: Path, text: str, code: int, word: str) -> None:
        path = tmp_path / "settings.json"
        path.write_text(text)
        ended = run("explain", "s3://mine", "--mode", "jobs", "--settings", path)
        assert ended.code == code, ended.err
        assert word in ended.err
        assert 2 <= len(ended.err.splitlines()) <= 3

    @pytest.mark.parametrize("option", ["--policy", "--key-policy"])
    def test_a_policy_file_that_is_none_is_named(self, tmp_path: Path, option: str) -> None:
        path = tmp_path / "policy.tf"
        path.write_text('data "aws_iam_policy_document" "x" {}')
        ended = run("explain", "s3://mine", "--mode", "jobs", option, path)
        assert (ended.code, ended.out) == (ExitCode.INTEGRITY, "")
        assert f"{path}, line 1, column 1" in ended.err

    def test_a_missing_file_and_a_missing_baseline(self, granted: GrantedBucket, tmp_path: Path) -> None:
        ended = run("explain", granted.url, "--mode", "jobs", "--policy", tmp_path / "none.json")
        assert ended.code == 2
        ended = run("explain", granted.url, "--mode", "jobs", "--baseline", tmp_path)
        assert ended.code == 2
        assert "--save" in ended.err
