"""``sync`` and ``watch --queue`` into an output, without a destination, and processes that are killed."""

from __future__ import annotations

import gzip
import json
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harvester.tables import count_rows, open_output, print_views
from scripts.commands.background_command import wait_until
from scripts.commands.installed_command import run, start, sync_report
from scripts.commands.output_schemas import validate
from scripts.inputs.announcements import PREFIX, AnnouncedBucket
from scripts.servers.server_process import ServerProcess
from tests.e2e.sources import Directory, result

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

duckdb: Any = pytest.importorskip("duckdb")


@pytest.fixture
def bucket(s3: S3Client, sqs: SQSClient, moto: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> AnnouncedBucket:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
    bucket = AnnouncedBucket(s3, sqs)
    bucket.notify()
    return bucket


def watch(bucket: AnnouncedBucket, out: Path, *more: str) -> tuple[str | Path, ...]:
    return ("watch", bucket.location, "--queue", bucket.queue, "--export-to", out, "--format", "json", *more)


def rows(out: Path) -> tuple[int, int]:
    with open_output(str(out)) as store:
        counted = count_rows(store)
    return counted.rows, counted.repeated


def current_tasks(out: Path) -> Counter[str]:
    with duckdb.connect() as database:
        database.execute(print_views([str(out)]))
        return Counter(row[0] for row in database.execute("SELECT task_id FROM envelopes_current").fetchall())


def test_a_sync_learns_from_the_output_what_is_there(tmp_path: Path) -> None:
    source, out = Directory(tmp_path / "source"), tmp_path / "out"
    for number in range(3):
        source.put(f"{number}.json", result(number))

    first = run("sync", source.location, "--export-to", out, "--format", "json")
    again = run("sync", source.location, "--export-to", out, "--format", "json")

    assert (first.code, first.document["counts"]["landed"]) == (0, 3), first.err
    assert (again.code, again.document["counts"]["unchanged"]) == (0, 3), again.err
    assert first.document["destination"] == str(out)
    assert rows(out) == (3, 0)
    counted = run("status", "--export-to", out, "--format", "json").document
    validate("export-status", counted)
    assert (counted["rows"], counted["repeated"], counted["series"]) == (3, 0, 1)
    for arguments in ((), (tmp_path / "dest", "--export-to", out), ("--export-to", out, "--dry-run")):
        assert run("sync", source.location, *arguments).code == 2
    assert run("watch", source.location, "--export-to", out, "--once").code == 2
    source.put("bad.json", b'{"half')
    failed = run("sync", source.location, "--export-to", out)
    assert (failed.code, "--problems" in failed.err) == (3, False)
    assert f"sync {source.location} --export-to {out} --format jsonl" in failed.err
    source.remove("bad.json")
    assert sync_report(source.location, tmp_path / "dest")["counts"]["landed"] == 3


def test_rows_are_written_as_the_options_of_export_state(tmp_path: Path) -> None:
    source, out, columns = Directory(tmp_path / "source"), tmp_path / "out", tmp_path / "columns.json"
    source.put("a.jsonl", b'{"price": 1}\n{"price": "none"}\n' + json.dumps({"long": "x" * 2000}).encode())
    columns.write_text('[{"name": "price", "pointer": "/price", "type": "int64"}]')
    shaped = ("--columns", columns, "--drop", "rest", "--export-as", "jsonl", "--compression", "gzip")

    ended = run("sync", source.location, "--export-to", out, *shaped, "--max-value", "1KB")

    assert ended.code == 3, ended.err
    assert "1 row too long" in ended.err
    assert "1 value of column price did not fit" in ended.err
    (part,) = out.glob("data/*/*/*.jsonl.gz")
    written = [json.loads(line) for line in gzip.decompress(part.read_bytes()).splitlines()]
    assert [row["price"] for row in written] == [1, None]
    assert not {"rest", "long"} & written[0].keys()
    assert run("sync", source.location, "--export-to", out).code == 2  # another layout
    for arguments in (("--export-to", tmp_path / "other", "--export-as", "delta"), (tmp_path / "dest", *shaped)):
        refused = run("sync", source.location, *arguments)
        assert refused.code == 2, refused.err
    assert not (tmp_path / "other" / "layout").exists()


def test_a_message_is_deleted_after_its_rows_are_committed(bucket: AnnouncedBucket, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for number in range(5):
        bucket.deliver(f"{PREFIX}{number}.json")

    ended = run(*watch(bucket, out, "--once"))

    assert ended.code == 0, ended.err
    assert ended.document["messages"]["deleted"] == ended.document["messages"]["received"]
    assert bucket.waiting() == 0
    assert rows(out) == (5, 0)
    bucket.deliver(f"{PREFIX}5.json")
    longer = run(*watch(bucket, out, "--once", "--max-value", "10B"))
    assert (longer.code, rows(out)) == (3, (6, 0)), longer.err
    assert "1 row too long and not written" in longer.err


def test_an_output_that_takes_nothing_leaves_the_messages(bucket: AnnouncedBucket, tmp_path: Path) -> None:
    out = tmp_path / "out"
    bucket.deliver(f"{PREFIX}a.json")
    (out / "data").mkdir(parents=True)
    (out / "data" / "envelopes").write_bytes(b"in the way")

    ended = run(*watch(bucket, out, "--once", "--lease", "10s"))

    assert ended.code != 0
    assert bucket.waiting() >= 1


def test_a_process_that_is_asked_to_stop_commits_what_it_holds(bucket: AnnouncedBucket, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for number in range(3):
        bucket.deliver(f"{PREFIX}{number}.json")
    process = start(*watch(bucket, out, "--lease", "1h"))
    wait_until(lambda: bucket.waiting() >= 3 and bucket.visible() == 0)

    process.terminate()
    process.communicate()

    assert process.returncode == 143
    assert run(*watch(bucket, out, "--once")).code == 0
    assert bucket.waiting() == 0
    assert rows(out) == (3, 0)


def test_killed_and_doubled_processes_lose_nothing(bucket: AnnouncedBucket, tmp_path: Path) -> None:
    out = tmp_path / "out"
    keys = [f"{PREFIX}{number:02d}.json" for number in range(20)]
    for round_ in range(2):
        for key in keys[round_ * 10 : round_ * 10 + 10]:
            bucket.deliver(key)
        # A part is complete after a quarter of the lease, or at once where it is this small.
        two = [start(*watch(bucket, out, "--lease", "10s", "--part-size", size)) for size in ("1", "10MB")]
        before = len(list(out.glob("data/envelopes/*/*")))
        wait_until(lambda known=before: len(list(out.glob("data/envelopes/*/*"))) > known)  # type: ignore[misc]
        for process in two:
            process.kill()
            process.communicate()

    wait_until(lambda: run(*watch(bucket, out, "--once", "--lease", "10s")).code == 0 and bucket.waiting() == 0)

    written, repeated = rows(out)
    assert current_tasks(out) == Counter(dict.fromkeys(keys, 1))
    assert written - repeated == len(keys)


def test_killed_and_doubled_syncs_lose_nothing(tmp_path: Path) -> None:
    source, out = Directory(tmp_path / "source"), tmp_path / "out"
    killed = 0
    for round_ in range(3):
        for number in range(round_ * 60, round_ * 60 + 60):
            source.put(f"{number:03d}.json", result(number))
        before = len(list(out.glob("data/envelopes/*/*")))
        two = [start("sync", source.location, "--export-to", out, "--part-size", size) for size in ("1", "3KB")]
        wait_until(lambda known=before: len(list(out.glob("data/envelopes/*/*"))) > known)  # type: ignore[misc]
        for process in two:
            process.kill()
            process.communicate()
            killed += process.returncode == -signal.SIGKILL

    ended = run("sync", source.location, "--export-to", out, "--format", "json")

    assert (ended.code, ended.document["counts"]["failed"]) == (0, 0), ended.err
    assert killed
    written, repeated = rows(out)
    assert current_tasks(out) == Counter({f"task-{number}": 1 for number in range(180)})
    assert written - repeated == 180
    again = run("sync", source.location, "--export-to", out, "--format", "json").document["counts"]
    assert (again["landed"], again["unchanged"]) == (0, 180)
