"""``test``: the documented steps and chips, the causes of a bare 403, and what is not proven.

moto and the fake authorise nothing by policy: these tests check what requests and answers mean, not who may do
what.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import pytest

from harvester import probe_connection
from harvester.access.probe.probe_report import ProbeReport
from harvester.errors import ConfigurationError, ExitCode, UsageError
from harvester.sessions.connections import StoreSettings
from policies import facts
from scripts.commands.installed_command import run
from scripts.commands.output_schemas import validate
from scripts.servers.fake_gcs_iam import FakeGcsIam
from scripts.servers.fault_proxy import FaultProxy, Reset, Rule, Status

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RESIDUE = ".nimble-connection-test"


def operations(report: ProbeReport) -> list[tuple[str, str, bool]]:
    return [(step.operation, step.outcome, step.documented) for step in report.steps]


def test_reading_an_empty_prefix_shows_the_documented_chip(s3_bucket: str) -> None:
    report = probe_connection(f"s3://{s3_bucket}/input/", "read")
    assert report.chip.text == "✓ Connection OK - prefix is empty"
    assert operations(report) == [("HeadBucket", "ok", True), ("ListObjectsV2", "ok", True)]
    assert report.exit_code is ExitCode.OK
    assert all(step.milliseconds > 0 and step.request_id for step in report.steps)
    assert any("Nimble's own rights" in each for each in report.not_proven)
    assert any("s3:GetObject" in each for each in report.not_proven)


def test_reading_a_filled_prefix_is_ok(s3_bucket: str, s3: S3Client) -> None:
    s3.put_object(Bucket=s3_bucket, Key="input/urls.csv", Body=b"url\n")
    assert probe_connection(f"s3://{s3_bucket}/input/", "read").chip.text == "✓ Connection OK"


@pytest.mark.parametrize(
    ("existing", "asked"),
    [("input/a.csv", "Input/"), ("in/puts/a.csv", "in/put/"), ("inputs/a.csv", "input/")],
)
def test_an_empty_prefix_that_resembles_another_names_it(
    s3_bucket: str, s3: S3Client, existing: str, asked: str
) -> None:
    s3.put_object(Bucket=s3_bucket, Key=existing, Body=b"x")
    report = probe_connection(f"s3://{s3_bucket}/{asked}", "read")
    assert report.chip.text == "✓ Connection OK - prefix is empty"
    (note,) = [each.note for each in report.steps if "nothing is under" in each.note]
    assert repr(existing.rpartition("/")[0] + "/") in note


def test_an_empty_prefix_that_resembles_none_names_none(s3_bucket: str, s3: S3Client) -> None:
    s3.put_object(Bucket=s3_bucket, Key="elsewhere/a.csv", Body=b"x")
    report = probe_connection(f"s3://{s3_bucket}/input/", "read")
    assert not any("nothing is under" in each.note for each in report.steps)


@pytest.mark.parametrize("keys", [[RESIDUE], ["", RESIDUE], [""]])
def test_residue_and_folder_markers_are_no_content(s3_bucket: str, s3: S3Client, keys: list[str]) -> None:
    for key in keys:
        s3.put_object(Bucket=s3_bucket, Key=f"output/{key}", Body=b"")
    report = probe_connection(f"s3://{s3_bucket}/output/", "read")
    assert report.chip.text == "✓ Connection OK - prefix is empty"
    s3.put_object(Bucket=s3_bucket, Key="output/result.json", Body=b"{}")
    assert probe_connection(f"s3://{s3_bucket}/output/", "read").chip.text == "✓ Connection OK"


def test_writing_leaves_one_empty_object_however_often(s3_bucket: str, s3: S3Client) -> None:
    for _ in range(2):
        report = probe_connection(f"s3://{s3_bucket}/output/", "write")
        assert report.chip.text == "✓ Connection OK"
        assert operations(report) == [("HeadBucket", "ok", True), ("PutObject", "ok", True)]
    listed = s3.list_objects_v2(Bucket=s3_bucket)["Contents"]
    assert [(each["Key"], each["Size"]) for each in listed] == [(f"output/{RESIDUE}", 0)]


def test_reading_writes_nothing(s3_bucket: str, s3: S3Client) -> None:
    probe_connection(f"s3://{s3_bucket}/output/", "read", deep=True)
    assert "Contents" not in s3.list_objects_v2(Bucket=s3_bucket)


def test_deep_adds_labelled_steps_and_leaves_no_upload(s3_bucket: str, s3: S3Client) -> None:
    s3.put_object(Bucket=s3_bucket, Key="p/result.json", Body=b"{}")
    report = probe_connection(f"s3://{s3_bucket}/p/", "both", deep=True)
    ours = [step.operation for step in report.steps if not step.documented]
    assert ours == ["GetObject", "CreateMultipartUpload", "AbortMultipartUpload", "GetObject"]
    assert report.exit_code is ExitCode.OK
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=s3_bucket)
    assert not any("--deep" in each for each in report.not_proven)


def test_one_byte_of_an_empty_object_can_be_read_too(s3_bucket: str, s3: S3Client) -> None:
    s3.put_object(Bucket=s3_bucket, Key="p/empty.json", Body=b"")
    assert probe_connection(f"s3://{s3_bucket}/p/", "read", deep=True).exit_code is ExitCode.OK


def test_a_failing_deep_step_keeps_nimbles_chip_and_fails_the_run(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    fault_proxy.add(Rule(Status(403, "AccessDenied", "no"), method="POST", query="uploads"))
    report = probe_connection(f"s3://{s3_bucket}/p/", "write", deep=True)
    assert report.chip.text == "✓ Connection OK"
    assert report.exit_code is ExitCode.ACCESS_DENIED
    assert "CreateMultipartUpload" in report.cause


def test_a_missing_bucket(s3_bucket: str) -> None:
    report = probe_connection(f"s3://{s3_bucket}-not/p/", "write")
    assert report.chip.text == "✗ Bucket does not exist"
    assert report.exit_code is ExitCode.NO_SUCH_BUCKET
    assert operations(report) == [("HeadBucket", "failed", True)]


@pytest.mark.parametrize(
    ("code", "exit_code", "chip", "word"),
    [
        ("AccessDenied", ExitCode.ACCESS_DENIED, "✗ Access denied", "denied"),
        ("SignatureDoesNotMatch", ExitCode.ACCESS_DENIED, "✗ Access denied", "secret access key"),
        ("InvalidAccessKeyId", ExitCode.ACCESS_DENIED, "✗ Access denied", "access key id does not exist"),
        ("RequestTimeTooSkewed", ExitCode.CONFIGURATION, "✗ Connection failed", "clock"),
    ],
)
def test_a_bare_403_is_distinguished_by_the_list(
    s3_bucket: str, fault_proxy: FaultProxy, code: str, exit_code: ExitCode, chip: str, word: str
) -> None:
    fault_proxy.add(Rule(Status(403), method="HEAD"))
    fault_proxy.add(Rule(Status(403, code, "a sentence"), query="list-type"))
    report = probe_connection(f"s3://{s3_bucket}/p/", "read")
    assert report.chip.text == chip
    assert report.exit_code is exit_code
    assert word in report.cause
    assert report.code is not None
    assert report.request_id == "FAULT"


def test_a_denied_bucket_of_this_account_and_one_of_another(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    fault_proxy.add(Rule(Status(403), method="HEAD"))
    fault_proxy.add(Rule(Status(403, "AccessDenied", "Access Denied"), query="list-type"))
    own = probe_connection(f"s3://{s3_bucket}/p/", "read")
    assert "the bucket is their account's own" in own.cause
    foreign = probe_connection(f"s3://{s3_bucket}-foreign/p/", "read")
    assert "belongs to another account" in foreign.cause
    assert foreign.exit_code is ExitCode.ACCESS_DENIED


def test_head_denied_while_the_list_passes_is_a_prefix_condition(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    fault_proxy.add(Rule(Status(403), method="HEAD"))
    report = probe_connection(f"s3://{s3_bucket}/p/", "read")
    assert report.chip.text == "✗ Access denied"
    assert "s3:prefix" in report.cause


def test_a_wrong_expected_owner_is_named(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    refused = Rule(Status(403), header="x-amz-expected-bucket-owner: 999999999999")
    fault_proxy.add(refused)
    settings = StoreSettings(expected_bucket_owner="999999999999")
    report = probe_connection(f"s3://{s3_bucket}/p/", "read", settings=settings)
    assert "another account than the expected owner" in report.cause
    assert report.exit_code is ExitCode.ACCESS_DENIED


def test_the_request_payer_header_is_sent_with_every_request(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    probe_connection(f"s3://{s3_bucket}/p/", "both", deep=True, settings=StoreSettings(request_payer=True))
    assert fault_proxy.log
    assert all(request.headers.get("x-amz-request-payer") == "requester" for request in fault_proxy.log)


def test_a_wrong_region_is_followed_and_reported(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    headers = {"x-amz-bucket-region": "eu-west-1"}
    fault_proxy.add(Rule(Status(301, "PermanentRedirect", headers=headers), header="/us-east-1/s3/"))
    fault_proxy.add(Rule(Status(200, headers=headers), method="HEAD", path=s3_bucket))
    report = probe_connection(f"s3://{s3_bucket}/p/", "read")
    assert report.exit_code is ExitCode.OK, report
    assert any("eu-west-1" in step.note and "us-east-1" in step.note for step in report.steps)


@pytest.mark.parametrize("fault", [Status(503, "SlowDown"), Status(500, "InternalError"), Reset()])
def test_throttling_and_broken_connections_are_connection_failed(
    s3_bucket: str, fault_proxy: FaultProxy, fault: Status | Reset
) -> None:
    fault_proxy.add(Rule(fault, method="HEAD"))
    report = probe_connection(f"s3://{s3_bucket}/p/", "read")
    assert report.chip.text == "✗ Connection failed"
    assert report.exit_code is ExitCode.CONNECTION_FAILED


def test_a_passing_hiccup_is_retried(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    fault_proxy.add(Rule(Status(503, "SlowDown"), method="HEAD", times=1))
    assert probe_connection(f"s3://{s3_bucket}/p/", "read").exit_code is ExitCode.OK


def test_the_steps_are_those_of_the_facts(s3_bucket: str) -> None:
    names = {"head_bucket": "HeadBucket", "list_objects": "ListObjectsV2", "put_object": "PutObject"}
    for access in ("read", "write"):
        kind: Literal["read", "write"] = "read" if access == "read" else "write"
        documented = [
            step.operation for step in probe_connection(f"s3://{s3_bucket}/p/", kind).steps if step.documented
        ]
        assert documented == [names[step] for step in facts().test_connection.steps[access]]


def test_what_cannot_be_tested_is_refused(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError):
        probe_connection("file:///tmp/", "read")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError):
        probe_connection(f"s3://{s3_bucket}/p/", "read")


class TestGoogle:
    @pytest.fixture
    def gcs(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGcsIam]:
        with FakeGcsIam() as server:
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
            server.create_bucket("results")
            yield server

    @pytest.mark.usefixtures("gcs")
    def test_both_steps_and_the_warning_about_names(self) -> None:
        report = probe_connection("gs://results/p/", "both", deep=True)
        assert report.exit_code is ExitCode.OK
        assert report.chips[0][1].text == "✓ Connection OK - prefix is empty"
        assert [step.operation for step in report.steps][:2] == ["objects.list", "objects.get"]
        assert not any(step.documented for step in report.steps)
        assert any("no Test Connection is documented" in each for each in report.not_proven)
        assert any("reused storage_object_name" in each for each in report.not_proven)

    def test_the_second_write_of_a_creator_is_green_and_explained(self, gcs: FakeGcsIam) -> None:
        gcs.denied = {"storage.objects.delete"}
        assert probe_connection("gs://results/p/", "write").exit_code is ExitCode.OK
        again = probe_connection("gs://results/p/", "write")
        assert again.exit_code is ExitCode.OK
        assert again.chip.text == "✓ Connection OK"
        assert [step.outcome for step in again.steps] == ["failed", "ok"]
        assert "storage.objects.delete is not" in again.steps[-1].note

    def test_a_denied_write_stays_denied(self, gcs: FakeGcsIam) -> None:
        gcs.denied = {"storage.objects.create"}
        report = probe_connection("gs://results/p/", "write")
        assert report.chip.text == "✗ Access denied"
        assert report.exit_code is ExitCode.ACCESS_DENIED
        assert report.request_id == "FAKE-GCS"

    @pytest.mark.usefixtures("gcs")
    def test_a_missing_bucket(self) -> None:
        assert probe_connection("gs://nowhere-at-all/p/", "read").exit_code is ExitCode.NO_SUCH_BUCKET


class TestCommand:
    def test_several_locations_end_with_the_worst(self, s3_bucket: str) -> None:
        ended = run("test", f"s3://{s3_bucket}/a/", f"s3://{s3_bucket}-not/b/", "--format", "json")
        assert ended.code == 5
        validate("test", ended.document)
        assert ended.document["go"] is False
        assert [report["ok"] for report in ended.document["reports"]] == [True, False]
        lines = ended.err.splitlines()
        assert lines[0] == f"error: s3://{s3_bucket}-not/b/: ✗ Bucket does not exist"
        assert len(lines) == 3

    def test_a_jobs_two_paths_in_one_call(self, s3_bucket: str) -> None:
        ended = run("test", "--input", f"s3://{s3_bucket}/in/", "--output", f"s3://{s3_bucket}/out/")
        assert ended.code == 0, ended.err
        assert "go: 2 of 2 green" in ended.out
        assert max(map(len, ended.out.splitlines())) <= 110  # moto's request ids are longer than AWS's
        assert "prefix is empty" in ended.out
        assert ended.err == ""

    def test_json_lines(self, s3_bucket: str) -> None:
        ended = run("test", f"s3://{s3_bucket}/a/", f"s3://{s3_bucket}/b/", "--format", "jsonl")
        for line in ended.out.splitlines():
            validate("connection-test", json.loads(line))
        assert ended.code == 0

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [((), 2), (("file:///tmp/",), 2), (("s3://UP/",), 2), (("s3://1.2.3.4/",), 2), (("gcs://b/",), 2)],
    )
    def test_bad_input_is_three_lines(self, arguments: tuple[str, ...], code: int) -> None:
        ended = run("test", *arguments)
        assert ended.code == code
        assert ended.out == ""
        assert 2 <= len(ended.err.splitlines()) <= 3
