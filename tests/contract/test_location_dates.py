"""Runs over the days of a location with dates: what they list, what they mark, and what they read of the manifest."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harvester import SyncOptions, SyncReport, Verification, sync
from harvester.destination import open_destination, read_destination
from harvester.errors import ExitCode, UsageError
from harvester.location import parse_location
from harvester.location_template import LocationTemplate, parse_place
from harvester.storage import KeyPrefixes, open_store
from harvester.transfer import Observer, SyncSession
from scripts.servers.fake_gcs import FakeGcs
from tests.e2e.sources import Directory, result

ENVELOPE = result()
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
NAMES = ["2026/11/28/a.json", "2026/11/29/b.json", "2026/11/30/c.json", "2026/12/01/d.json", "other.json"]


@pytest.fixture(params=["file", "s3", "gs"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    match request.param:
        case "file":
            return Directory(tmp_path / "source").location
        case "s3":
            return f"s3://{request.getfixturevalue('s3_bucket')}/results/"
        case _:
            fake: FakeGcs = request.getfixturevalue("fake_gcs")
            fake.create_bucket("some-bucket")
            return "gs://some-bucket/results/"


def put(base: str, *names: str) -> None:
    store = open_store(parse_location(base))
    for name in names:
        store.put(store.location.key(name), ENVELOPE)


def run(location: str, dest: Path) -> SyncReport:
    return sync(location, dest, SyncOptions(workers=1), now=NOW)


def landed(dest: Path) -> list[str]:
    return sorted(str(path.relative_to(dest)) for path in dest.rglob("*.json") if ".nimble-harvester" not in path.parts)


def test_only_the_days_are_listed_and_paths_are_those_of_the_whole(base: str, tmp_path: Path) -> None:
    put(base, *NAMES)
    dest = tmp_path / "dest"

    report = run(f"{base}{{date:%Y/%m/%d}}/", dest)

    assert (report.exit_code, report.counts.listed, report.counts.landed) == (ExitCode.OK, 2, 2)
    assert report.location == parse_location(base).url
    assert landed(dest) == NAMES[1:3]
    again = run(base, dest)
    assert (again.counts.unchanged, again.counts.landed) == (2, 3)
    assert landed(dest) == NAMES


@pytest.fixture
def days(tmp_path: Path) -> tuple[Directory, str, Path]:
    source = Directory(tmp_path / "source")
    for name in NAMES:
        source.put(name, ENVELOPE)
    dest = tmp_path / "dest"
    assert run(source.location, dest).counts.landed == len(NAMES)
    return source, source.location + "{date:%Y/%m/%d}/", dest


def test_nothing_outside_the_days_is_marked_as_gone(days: tuple[Directory, str, Path]) -> None:
    source, location, dest = days
    for name in NAMES:
        source.remove(name)

    report = run(location, dest)

    assert (report.counts.listed, report.source_gone, report.exit_code) == (0, 2, ExitCode.OK)
    with read_destination(dest) as opened:
        assert [row.path for row in opened.manifest.landed() if row.gone] == NAMES[1:3]


def test_problems_outside_the_days_are_kept_and_those_inside_are_forgotten(days: tuple[Directory, str, Path]) -> None:
    source, location, dest = days
    for name in ("2026/11/28/bad.json", "2026/11/30/bad.json"):
        source.put(name, b"")
    run(source.location, dest)
    for name in ("2026/11/28/bad.json", "2026/11/30/bad.json"):
        source.remove(name)

    run(location, dest)

    with read_destination(dest) as opened:
        assert [row.key for row in opened.manifest.problems()] == [str(source.path / "2026/11/28/bad.json")]


def test_a_run_reads_only_what_the_manifest_holds_of_its_days(days: tuple[Directory, str, Path]) -> None:
    source, location, dest = days
    source.put("2026/11/30/new.json", ENVELOPE)
    source.put("2026/11/30/bad.json", b"")
    place = parse_place(location)
    assert isinstance(place, LocationTemplate)
    statements: list[str] = []

    with open_destination(dest) as opened:
        opened.manifest._database.set_trace_callback(statements.append)
        session = SyncSession(open_store(place.base), opened.root, opened.manifest, SyncOptions(workers=1), Observer())
        report = session.run_listing(KeyPrefixes(place.prefixes(NOW)))
        path = opened.manifest.path

    assert (report.counts.landed, report.counts.quarantined) == (1, 1)
    with contextlib.closing(sqlite3.connect(path)) as database:
        scanning = {
            statement
            for statement in statements
            if statement.startswith("SELECT")
            for *_, step in database.execute(f"EXPLAIN QUERY PLAN {statement}")
            if step.startswith("SCAN") and step.split()[1] in {"objects", "problems", "versions", "superseded"}
        }
    assert scanning == {"SELECT 1 FROM objects LIMIT 1"}


def test_dates_and_a_queue_exclude_each_other(tmp_path: Path) -> None:
    from harvester import QueueWatchOptions, watch

    with pytest.raises(UsageError, match="has dates"):
        watch(
            "s3://bucket/{date:%Y}/",
            tmp_path / "dest",
            watching=QueueWatchOptions("https://sqs.eu-west-1.amazonaws.com/1/q"),
        )


def test_the_newest_days_are_verified_alone(base: str, tmp_path: Path) -> None:
    today, dest = f"{datetime.now(UTC):%Y/%m/%d}", tmp_path / "dest"
    put(base, "2020/01/01/a.json", f"{today}/b.json")
    sync(base, dest, SyncOptions(workers=1))
    put(base, "2020/01/01/later.json", f"{today}/later.json")
    place = parse_place(f"{base}{{date:%Y/%m/%d}}/")

    found = {each.path: each.mark.name for each in Verification(dest, remote=True, place=place)}

    assert found == {f"{today}/b.json": "SAME", f"{today}/later.json": "MISSING"}
