"""The handover from a backfill to daily work: an object is of exactly one of the two, by its time of modification."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harvester import BackfillOptions, StoreSettings, SyncOptions, Verification, plan_shards, run_shard, sync
from harvester.backfill import PlannedUploads, write_plan
from harvester.tables import open_output
from harvester.text import rfc3339
from scripts.commands.installed_command import run, sync_report
from scripts.inputs.announcements import PREFIX, AnnouncedBucket, envelope, s3_event
from scripts.servers.memory_s3 import MemoryS3
from scripts.servers.server_process import ServerProcess
from tests.e2e.sources import Directory, result

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

CUTOFF = 1_700_000_000.25
OUTCOMES = ("listed", "landed", "unchanged", "ignored", "refused", "quarantined", "failed", "not_attempted")
COUNTS = dict.fromkeys(OUTCOMES, 0)


def planned(location: str, out: Path, cutoff: float) -> Path:
    plan = plan_shards(location, 1, BackfillOptions(cutoff=cutoff))
    with open_output(str(out)) as store:
        write_plan(plan, store)
    assert run_shard(plan.shards[0], str(out)).exit_code == 0
    return out


def test_each_object_is_of_one_side(tmp_path: Path) -> None:
    source = Directory(tmp_path / "source")
    moments = {"before.json": CUTOFF - 0.25, "equal.json": CUTOFF, "after.json": CUTOFF + 0.25}
    for number, (name, moment) in enumerate(moments.items()):
        path = source.put(name, result(number))
        os.utime(path, ns=(0, int(moment * 4) * 250_000_000))
    out = planned(source.location, tmp_path / "out", CUTOFF)

    dry = sync_report(source.location, tmp_path / "dest", "--start-after-backfill", out, "--dry-run")
    first = sync_report(source.location, tmp_path / "dest", "--start-after-backfill", out)
    later = sync_report(source.location, tmp_path / "dest")

    assert dry["ignored_by_reason"] == {"before_start": 2}
    assert (first["ignored_by_reason"], first["counts"]["landed"]) == ({"before_start": 2}, 1)
    assert (later["ignored_by_reason"], later["counts"]["unchanged"]) == ({"before_start": 2}, 1)
    assert (tmp_path / "dest" / "after.json").exists()
    assert [each.mark for each in Verification(tmp_path / "dest", remote=True)] == ["="]
    assert [name.name for name in out.glob("data/envelopes/*/*")] != []


@pytest.mark.parametrize("seconds_ahead", [-300.0, 300.0])
def test_the_store_s_clock_decides_and_not_that_of_this_machine(tmp_path: Path, seconds_ahead: float) -> None:
    out, late = tmp_path / "out", time.time() + 3600
    with MemoryS3({"r/before.json": envelope("before")}, seconds_ahead) as store:
        settings = StoreSettings(endpoint_url=store.url)
        shard = plan_shards("s3://bucket/r/", 1, BackfillOptions(cutoff=late), settings=settings).shards[0]
        # Written after the plan, and listed by the shard; the same second would be that of the plan.
        store.put("r/after.json", envelope("after"))
        done = run_shard(shard, str(out), settings=settings)
        daily = sync(
            "s3://bucket/r/", tmp_path / "d", SyncOptions(start_after=shard.backfill.cutoff), settings=settings
        )

    assert abs(shard.backfill.cutoff - time.time() - seconds_ahead) < 60
    assert done.report is not None
    assert done.report["counts"] == {**COUNTS, "listed": 2, "landed": 1, "ignored": 1}
    assert (daily.counts.landed, daily.counts.ignored) == (1, 1)
    assert (tmp_path / "d" / "after.json").exists()


def test_an_upload_in_progress_is_left_to_daily_work(tmp_path: Path) -> None:
    out, began = tmp_path / "out", float(int(time.time()) - 600)
    with MemoryS3({"r/during.json": envelope("during")}) as store:
        settings = StoreSettings(endpoint_url=store.url)
        assert store.uploads is not None
        store.put("r/before.json", envelope("before"), began - 3600)
        store.uploads |= {"r/long.json": began, "other/longer.json": began - 60}
        plan = plan_shards("s3://bucket/r/", 1, settings=settings)
        done = run_shard(plan.shards[0], str(out), settings=settings)
        store.put("r/long.json", envelope("long"), store.uploads.pop("r/long.json"))
        daily = sync("s3://bucket/r/", tmp_path / "d", SyncOptions(start_after=plan.backfill.cutoff), settings=settings)

    assert (plan.backfill.cutoff, plan.uploads) == (began - 1, PlannedUploads(in_progress=1))
    assert done.report is not None
    assert done.report["counts"] == {**COUNTS, "listed": 2, "landed": 1, "ignored": 1}
    assert (daily.counts.landed, daily.counts.ignored) == (2, 1)
    assert sorted(path.name for path in (tmp_path / "d").glob("*.json")) == ["during.json", "long.json"]


def test_a_plan_names_abandoned_uploads_and_waits_for_none(tmp_path: Path, s3: S3Client, s3_bucket: str) -> None:
    # moto dates every upload 2010-11-10.
    s3.put_object(Bucket=s3_bucket, Key="r/a.json", Body=envelope("a"))
    for key in ("r/long upload.jsonl", "other/b.jsonl"):
        s3.create_multipart_upload(Bucket=s3_bucket, Key=key)
    began = time.time()

    ended = run("backfill", "plan", f"s3://{s3_bucket}/r/", "--to", tmp_path / "out", "--yes")
    stored = json.loads((tmp_path / "out" / "plan.json").read_text())
    given = run("backfill", "plan", f"s3://{s3_bucket}/r/", "--to", tmp_path / "other", "--yes", "--cutoff", "1h")

    assert ended.code == 0, ended.err
    assert "1 upload in progress for over 24 hours" in ended.out
    assert "\n  r/long upload.jsonl\n" in ended.out
    assert f"aws s3api list-multipart-uploads --bucket {s3_bucket} --prefix r/" in ended.out
    assert stored["uploads"] == PlannedUploads(abandoned=1, abandoned_keys=("r/long upload.jsonl",)).as_document()
    assert stored["cutoff"] > rfc3339(began - 60)
    assert given.code == 0, given.err
    assert "upload" not in given.out


def test_a_plan_states_what_is_known_of_uploads_in_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MemoryS3({"r/a.json": envelope("a")}) as store:
        store.uploads = {"r/long.json": time.time() - 60}
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        known = run("backfill", "plan", "s3://bucket/r/", "--to", tmp_path / "known", "--yes")
        store.uploads = None
        ended = run("backfill", "plan", "s3://bucket/r/", "--to", tmp_path / "out", "--yes")

    assert "the cutoff is before 1 upload in progress, which daily runs take" in known.out
    assert ended.code == 0, ended.err
    assert "uploads in progress are not known: not offered (NotImplemented, request id R1)" in ended.out
    assert "grant s3:ListBucketMultipartUploads, or plan with --cutoff" in ended.out


def test_an_output_without_a_plan_or_of_another_location_is_refused(tmp_path: Path) -> None:
    source, other = Directory(tmp_path / "source"), Directory(tmp_path / "other")
    source.put("a.json", result())
    out = planned(source.location, tmp_path / "out", CUTOFF)

    for location, given in ((source.location, tmp_path / "none"), (other.location, out)):
        ended = run("sync", location, tmp_path / "dest", "--start-after-backfill", given)
        assert ended.code == 2, ended.err
    assert not (tmp_path / "none").exists()
    assert not (tmp_path / "dest").exists()


def test_an_event_is_compared_by_the_time_of_its_object(
    tmp_path: Path, s3: S3Client, sqs: SQSClient, moto: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
    bucket = AnnouncedBucket(s3, sqs)
    key = f"{PREFIX}a.json"
    etag = bucket.deliver(key)
    modified = s3.head_object(Bucket=bucket.name, Key=key)["LastModified"].timestamp()
    out = planned(bucket.location, tmp_path / "out", modified)
    event = s3_event(bucket.name, key, etag, len(envelope(key)))
    event["Records"][0]["eventTime"] = datetime.fromtimestamp(modified + 3600, UTC).isoformat()
    bucket.send(event)

    ended = run(
        "watch", bucket.location, tmp_path / "dest", "--queue", bucket.queue, "--once", "--format", "json",
        "--start-after-backfill", out,
    )  # fmt: skip

    assert ended.code == 0, ended.err
    assert (ended.document["counts"]["ignored"], ended.document["counts"]["landed"]) == (1, 0)
    assert ended.document["messages"]["deleted"] == 1
