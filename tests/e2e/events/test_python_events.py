"""``harvester.watch`` and ``harvester.listen`` in a program of one's own."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

import harvester
from harvester.errors import Interrupted, UsageError
from policies import facts
from scripts.inputs.announcements import AnnouncedBucket, envelope
from scripts.servers.nimble_server import NimbleApi, Scenario
from scripts.servers.server_process import ServerProcess

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

ONCE = harvester.ListingWatchOptions(once=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "first.json").write_bytes(envelope("first"))
    (folder / facts().test_connection.probe_name).touch()
    return folder


def test_a_look_knows_what_nimble_leaves_behind(source: Path, tmp_path: Path) -> None:
    looks: list[harvester.SyncReport] = []
    report = harvester.watch(f"file://{source}", tmp_path / "copy", watching=ONCE, on_listing=looks.append)
    assert report.landing.error is None
    assert (report.landing.counts.landed, report.landing.counts.ignored) == (1, 1)
    assert [look.ignored_by_reason for look in looks] == [{"probe_residue": 1}]
    assert report.queue is None


def test_a_watch_goes_on_until_it_is_asked_to_stop(source: Path, tmp_path: Path) -> None:
    landed: list[str] = []

    def note(event: harvester.ObjectEvent) -> None:
        if event.outcome == "landed":
            landed.append(event.key)
            (source / "second.json").write_bytes(envelope("second"))

    observer = harvester.Observer(event=note, stop_signal=lambda: signal.SIGTERM if len(landed) > 1 else None)
    every_second = harvester.ListingWatchOptions(every=1)
    report = harvester.watch(f"file://{source}", tmp_path / "copy", watching=every_second, observer=observer)
    assert [Path(key).name for key in landed] == ["first.json", "second.json"]
    assert isinstance(report.landing.error, Interrupted)
    assert report.landing.exit_code == 143


def test_a_watch_takes_a_queue_and_the_options_of_a_sync(
    s3: S3Client, sqs: SQSClient, moto: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
    bucket = AnnouncedBucket(s3, sqs)
    bucket.notify()
    for name in ("wanted", "unwanted"):
        bucket.deliver(f"nimble/{name}.json")
    report = harvester.watch(
        bucket.location,
        tmp_path / "copy",
        harvester.SyncOptions(harvester.Selection(include=("wanted*",))),
        watching=harvester.QueueWatchOptions(bucket.queue, once=True),
    )
    assert report.landing.error is None
    assert (report.landing.counts.landed, report.landing.counts.ignored) == (1, 1)
    assert report.queue == bucket.queue
    assert report.messages.deleted == report.messages.received
    assert bucket.waiting() == 0


def test_a_receiver_lands_what_is_announced_to_it(
    s3: S3Client, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put_object(Bucket=s3_bucket, Key="nimble/task-1.json", Body=envelope("task-1"))
    landed: list[harvester.ObjectEvent] = []
    answers = []

    def announce(address: str, location: harvester.Location) -> None:
        assert location.url == f"s3://{s3_bucket}/nimble/"
        for secret in ("", "a-long-secret"):
            body = {"task": {"id": "task-1", "state": "success"}}
            answers.append(httpx.post(f"{address}/{secret}", json=body).status_code)

    scenario = Scenario(tasks=[{"id": "task-1", "state": "success"}])
    with NimbleApi(scenario) as api:
        monkeypatch.setenv("NIMBLE_API_KEY", scenario.api_key)
        monkeypatch.setenv("NIMBLE_BASE_URL", api.url)
        report = harvester.listen(
            tmp_path / "copy",
            location=f"s3://{s3_bucket}/nimble/",
            listening=harvester.ListenOptions(port=0, webhook=harvester.WebhookOptions("a-long-secret")),
            observer=harvester.Observer(event=landed.append, stop_signal=lambda: signal.SIGTERM if landed else None),
            started=announce,
        )
    assert answers == [401, 200]
    assert [(event.key, event.outcome) for event in landed] == [("nimble/task-1.json", "landed")]
    assert report.webhooks == {"accepted": 1, "wrong_secret": 1}
    assert report.landing.exit_code == 143
    assert len(list(harvester.read(tmp_path / "copy"))) == 1


def test_what_cannot_be_is_refused_before_anything_begins() -> None:
    with pytest.raises(UsageError, match="listing every"):
        harvester.ListingWatchOptions(every=0.5)
    for lease in (9, 12 * 3600 + 1):
        with pytest.raises(UsageError, match="invalid lease"):
            harvester.QueueWatchOptions("projects/p/subscriptions/s", lease=lease)
    for secret in ("", "short", "has/a/slash", "has-ä-letter"):
        with pytest.raises(UsageError, match="invalid secret") as refused:
            harvester.WebhookOptions(secret)
        assert not secret or secret not in str(refused.value)
    assert "a-long-secret" not in repr(harvester.WebhookOptions("a-long-secret"))
