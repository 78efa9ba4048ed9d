"""``backfill``: plan, run, status and show by the installed command."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import harvester
from harvester.tables import open_output
from scripts.commands.background_command import Running, wait_until
from scripts.commands.installed_command import run, start_group, sync_report
from scripts.commands.output_schemas import validate
from scripts.servers.fault_proxy import FaultProxy, Rule, Status
from tests.e2e.backfill.backfills import bucket_of, fill, plan, status, visible_rows
from tests.e2e.sources import Directory, result

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da")
PIXEL += bytes.fromhex("63fccf50cf000003860180 5a347d6b0000000049454e44ae426082".replace(" ", ""))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_the_shards_hold_what_one_sync_would_land(source: Directory, dest: Path, out: Path) -> None:
    rows = fill(source, 30)
    source.put("images/a.png", PIXEL)
    source.put("broken.json", b'{"task_id": ')
    source.put(".nimble-connection-test", b"")
    planned = plan(source.location, out, "--exclude", "*0007*")
    excluded = {row for row in rows if "0007" in row[0]}
    assert planned["objects"] == 30 - 1 + 3
    assert planned["ignored"] == {"excluded": 1}
    assert sum(shard["objects"] for shard in planned["shards"]) == planned["objects"]
    stored = json.loads((out / "plan.json").read_text())
    validate("backfill-plan", stored)
    assert {**stored, "estimate": planned["estimate"]} == planned
    assert status(out, expected=3)["missing"] == [0, 1, 2, 3]
    assert run("backfill", "run", out, "--shard", 2).code == 0
    assert status(out, expected=3)["missing"] == [0, 1, 3]

    ended = run("backfill", "run", out)
    assert ended.code == 0
    assert "all 4 shards are committed" in ended.err
    assert set(visible_rows(out)) == set(rows) - excluded
    assert set(visible_rows(out).values()) == {1}
    for report in (out / "shards").iterdir():
        validate("shard-report", json.loads(report.read_text()))
    # A quarantined object is final, and a problem to look at.
    document = status(out, expected=3)
    expected = sync_report(source.location, dest, "--exclude", "*0007*", expected=3)
    assert document["counts"] == expected["counts"]
    assert document["ignored_by_reason"] == expected["ignored_by_reason"]
    assert document["upstream"] == expected["upstream"]
    assert (document["problem_count"], document["problems"][0]["reason"]) == (1, "invalid_json")
    (image,) = [path for path in (out / "files").rglob("*") if path.is_file()]
    assert image.name == "a.png"
    assert image.read_bytes() == PIXEL
    (invalid,) = [path for path in (out / "quarantine").rglob("*") if path.is_file()]
    assert invalid.read_bytes() == b'{"task_id": '

    # A committed shard is left as it is, whatever became of its objects.
    source.put("day-1/0001.json", b"changed")
    assert run("backfill", "run", out, "--shard", 0).code == 0
    assert run("backfill", "run", out).code == 0
    assert status(out, expected=3) == document
    view = run("export", dest, "--to", out, "--print-view").out
    assert "CREATE OR REPLACE VIEW envelopes_current" in view


def test_an_object_at_the_cutoff_belongs_to_the_backfill_and_a_later_one_does_not(source: Directory, out: Path) -> None:
    for number, nanoseconds in enumerate((-1, 0, 1000)):
        key = source.put(f"{number}.json", result(number))
        os.utime(key, ns=(0, 1_700_000_000_000_000_000 + nanoseconds))
    planned = plan(source.location, out, "--cutoff", "2023-11-14T22:13:20Z", shards=2)
    assert planned["cutoff"] == "2023-11-14T22:13:20.000000Z"
    assert planned["ignored"] == {"after_until": 1}
    assert run("backfill", "run", out).code == 0
    assert {Path(key).name for key, _ in visible_rows(out)} == {"0.json", "1.json"}
    document = status(out)
    assert document["ignored_by_reason"] == {"after_until": 1}


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"JOB_COMPLETION_INDEX": "1"}, 0),
        ({"CLOUD_RUN_TASK_INDEX": "4"}, 2),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "1", "SLURM_ARRAY_TASK_ID": "1"}, 2),
    ],
)
def test_the_index_of_an_array_names_the_shard(
    source: Directory, out: Path, variables: dict[str, str], code: int
) -> None:
    fill(source, 8)
    plan(source.location, out)
    assert run("backfill", "run", out, **variables).code == code
    assert status(out, expected=3)["missing"] == ([0, 2, 3] if code == 0 else [0, 1, 2, 3])


def test_nothing_is_written_without_a_yes_and_no_plan_is_replaced(source: Directory, out: Path) -> None:
    fill(source, 5)
    arguments = ("backfill", "plan", source.location, "--to", out, "--shards", 2)
    ended = run(*arguments)
    assert ended.code == 13
    assert "STANDARD" in ended.out
    assert "core hours" in ended.out
    assert not (out / "plan.json").exists()
    assert run(*arguments, "--yes").code == 0
    again = run(*arguments, "--yes")
    assert again.code == 2
    assert "holds another backfill" in again.err
    assert run(*arguments[:-1], 2, "--as", "delta", "--to", f"{out}-2", "--yes").code == 2
    assert run("backfill", "plan", "s3://bucket/{date:%Y}/", "--to", f"{out}-2", "--shards", 1, "--yes").code == 2
    missing = run("backfill", "run", f"{out}-3")
    assert missing.code == 2
    assert not Path(f"{out}-3").exists()
    assert "backfill plan LOCATION" in missing.err


def test_given_keys_become_lists(source: Directory, out: Path, tmp_path: Path) -> None:
    fill(source, 10)
    keys = [source.put(f"extra/{number}.json", result(100 + number)) for number in range(6)]
    listed = tmp_path / "keys.txt"
    listed.write_text("\n".join([*keys, f"{source.path}/missing.json"]) + "\n")
    planned = plan(source.location, out, "--keys-from", str(listed), shards=3)
    assert [shard["listed"] for shard in planned["shards"]] == [True] * 3
    ended = run("backfill", "run", out, "--attempts", "1")
    assert ended.code == 3
    assert status(out, expected=3)["missing"] == [2]
    assert run("backfill", "run", out, "--final").code == 0
    document = status(out, expected=3)
    assert document["counts"]["landed"] == 6
    assert [(each["outcome"], each["reason"]) for each in document["problems"]] == [("failed", "not_found")]
    assert {key for key, _ in visible_rows(out)} == set(keys)


def test_archived_objects_are_counted_and_fail_until_they_are_restored(s3: S3Client, s3_bucket: str, out: Path) -> None:
    for number in range(4):
        s3.put_object(Bucket=s3_bucket, Key=f"r/{number}.json", Body=result(number))
    s3.put_object(Bucket=s3_bucket, Key="r/old.json", Body=result(9), StorageClass="GLACIER")
    location = f"s3://{s3_bucket}/r/"
    ended = run("backfill", "plan", location, "--to", out, "--shards", 1, "--yes")
    assert ended.code == 0
    assert "aws s3api restore-object --bucket" in ended.out
    failed = run("backfill", "run", out, "--shard", 0, "--log-format", "json")
    assert (failed.code, json.loads(failed.err.splitlines()[-1])["retryable"]) == (3, False)
    assert not (out / "data").exists()
    assert run("backfill", "run", out, "--shard", 0, "--final").code == 0
    document = status(out, expected=3)
    assert (document["counts"]["landed"], document["counts"]["failed"]) == (4, 1)
    assert document["problems"][0]["reason"] == "archived"


def test_a_shard_that_is_throttled_keeps_its_attempt(
    s3: S3Client, fault_proxy: FaultProxy, s3_bucket: str, out: Path
) -> None:
    for number in range(6):
        s3.put_object(Bucket=s3_bucket, Key=f"r/{number}.json", Body=result(number))
    plan(f"s3://{s3_bucket}/r/", out, "--retries", "0", "--max-rps", "500", shards=1)
    # Each object fails once, with the attempts of its request used up.
    for number in range(3):
        status_and_code = (503, "SlowDown") if number else (400, "ThrottlingException")  # the second by KMS
        fault_proxy.add(Rule(Status(*status_and_code), method="GET", path=f"/r/{number}.json", times=1))
    assert run("backfill", "run", out, "--shard", 0).code == 0
    document = status(out)
    assert document["counts"]["landed"] == 6
    assert len(visible_rows(out)) == 6


@pytest.mark.parametrize("kind", ["directory", "s3", "gcs"])
def test_runs_at_once_and_killed_ones_leave_every_row_once(
    kind: str, source: Directory, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rows = fill(source, 24)
    out = str(tmp_path / "out") if kind == "directory" else bucket_of(kind, request)
    plan(source.location, out, shards=4)
    scratch = tmp_path / "scratch"
    runs = [start_group("backfill", "run", out, "--scratch", scratch, "--workers", "1") for _ in range(2)]
    with open_output(out) as store:
        wait_until(lambda: any(store.names("shards/")), "a commit")
        runs[0].kill()
        runs.append(start_group("backfill", "run", out, "--scratch", scratch, "--workers", "1"))
        while any(each.poll() is None for each in runs):
            assert set(visible_rows(out).values()) <= {1}
        codes = [each.wait() for each in runs]
    assert codes[1:] == [0, 0]
    assert visible_rows(out) == rows
    document = status(out, "--clean")
    assert document["counts"]["landed"] == 24
    with open_output(out) as store:
        assert not list(store.names("staging/"))
    # What a killed attempt left in the scratch folder is removed by the next one of its shard, here or later.
    assert len(list(scratch.glob("*.lock"))) <= 1


def test_jobs_are_printed_for_outputs_that_engines_share(source: Directory, s3_bucket: str, out: Path) -> None:
    fill(source, 4)
    shared = f"s3://{s3_bucket}/tables"
    plan(source.location, shared, shards=2)
    job = run("backfill", "show", shared, "--as", "kubernetes", "--image", "i:1").document
    assert job["spec"]["completions"] == 2
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][:3] == ["backfill", "run", shared]
    batch = run("backfill", "show", shared, "--as", "aws-batch", "--image", "i:1")
    assert batch.document["containerProperties"]["command"] == ["backfill", "run", shared, "--workers", "1"]
    assert "--array-properties size=2" in batch.err
    plan(source.location, out, shards=2)
    assert run("backfill", "show", out, "--as", "kubernetes", "--image", "i:1").code == 2


def test_python_runs_shards_without_a_stored_plan(source: Directory, out: Path) -> None:
    rows = fill(source, 12)
    planned = harvester.plan_shards(source.location, 3)
    for shard in planned.shards[:2]:
        assert harvester.run_shard(shard, str(out)).committed
    assert harvester.merge_reports(str(out)).missing == (2,)
    assert harvester.run_shard(planned.shards[2], str(out)).exit_code == 0
    merged = harvester.merge_reports(str(out))
    assert (merged.missing, merged.totals.counts.landed, merged.exit_code) == ((), 12, 0)
    assert visible_rows(out) == rows


def test_a_cause_that_every_shard_has_ends_the_run(source: Directory, out: Path) -> None:
    fill(source, 6)
    plan(source.location, out, shards=3)
    shutil.rmtree(source.path)
    ended = run("backfill", "run", out)
    assert ended.code == 5
    assert ended.err.count("is given up") == 1
    assert status(out, expected=3)["missing"] == [0, 1, 2]


def test_a_signal_ends_the_run_and_the_next_one_goes_on(source: Directory, out: Path, tmp_path: Path) -> None:
    rows = fill(source, 30)
    plan(source.location, out, shards=6)
    running = Running(tmp_path / "run", "backfill", "run", out, "--scratch", tmp_path / "scratch").start()
    wait_until(lambda: (out / "shards").exists(), "a commit")
    assert running.process is not None
    running.process.terminate()
    assert running.process.wait() == 143, running.err
    assert "Traceback" not in running.err
    assert not list((tmp_path / "scratch").iterdir())
    assert status(out, expected=3)["missing"]
    assert run("backfill", "run", out).code == 0
    assert visible_rows(out) == rows
